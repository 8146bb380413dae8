"""Small disks that lose their power or run full, for tests as root; others skip with a notice and pass."""
import fcntl
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import unittest

FS_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, uint32)
NO_LOG_FLUSH = 2              # Nothing more reaches the disk, the journal neither.


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")


def needs_root(what):
    """Ends the test with a notice, as passed, where the machine can not do it."""
    if os.geteuid() != 0:
        raise unittest.SkipTest(f"{what} needs root: run it with sudo to test this")
    for tool in ("mount", "umount", "mkfs.ext4"):
        if shutil.which(tool) is None and not os.access(f"/usr/sbin/{tool}", os.X_OK):
            raise unittest.SkipTest(f"{what} needs {tool}")


class Disk:
    """A mounted file system, as a context; `path` is where."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="spate-disk-"))
        self.path = self.directory / "mnt"
        self.path.mkdir()
        self.mounted = False

    def __enter__(self):
        try:
            self.mount()
        except OSError as error:
            self.__exit__()
            raise unittest.SkipTest(f"no disk to break here: {error}")
        return self

    def __exit__(self, *_):
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.path)], capture_output=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def unmount(self):
        run("umount", self.path)
        self.mounted = False


class LoopDisk(Disk):
    """ext4 on a loop device. cut() is a power cut: what was not synced is gone."""

    def __init__(self, mebibytes=3072):
        super().__init__()
        self.image = self.directory / "image"
        with open(self.image, "wb") as file:
            file.truncate(mebibytes << 20)  # Sparse: only what is written takes space.
        run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1", self.image)

    def mount(self):
        run("mount", "-o", "loop", self.image, self.path)
        self.mounted = True

    def cut(self):
        fd = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, FS_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(fd)

    def power_on(self):
        """After cut(), when no process uses it any more."""
        self.unmount()
        self.mount()


class SmallDisk(Disk):
    """A tmpfs that can be filled to its last byte and emptied again."""

    def __init__(self, mebibytes):
        super().__init__()
        self.mebibytes = mebibytes
        self.ballast = self.path / "ballast"

    def mount(self):
        run("mount", "-t", "tmpfs", "-o", f"size={self.mebibytes}m", "tmpfs", self.path)
        self.mounted = True

    def fill(self):
        with open(self.ballast, "wb", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    pass

    def empty(self):
        self.ballast.unlink(missing_ok=True)
