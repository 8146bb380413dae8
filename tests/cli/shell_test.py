#!/usr/bin/env python3
"""The shell completion and the manual page know every verb and option of the installed program."""
import os
import pathlib
import re
import subprocess
import unittest

SPATE = str(pathlib.Path(os.environ["SPATE_BIN_DIR"]) / "spate")
DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
# As bash does it when the last word is completed; compopt works only within that.
COMPLETE = 'compopt() { :; }; source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _spate; printf "%s\\n" "${COMPREPLY[@]}"'


def help_of(*verbs: str) -> str:
    return subprocess.run([SPATE, *verbs, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout


def verbs_of(*verbs: str) -> set[str]:
    listed = help_of(*verbs).partition("\nSubcommands:\n")[2]
    return set(re.findall(r"(?m)^  ([a-z]+) ", listed))


def options_of(*verbs: str) -> set[str]:
    return set(re.findall(r"(?m)^  (?:-\w,)?(--[a-z][a-z-]*)", help_of(*verbs)))


def completed(*words: str) -> set[str]:
    done = subprocess.run(["bash", "-c", COMPLETE, str(DEPLOY / "completion/spate"), SPATE, *words], capture_output=True,
                          text=True, check=True, timeout=60)
    return set(done.stdout.split())


class Shell(unittest.TestCase):
    def test_every_verb_is_completed_and_no_other(self):
        self.assertIn("backup", verbs_of())
        self.assertEqual(completed(""), verbs_of())
        for verb in verbs_of():
            if verbs_of(verb):
                self.assertEqual(completed(verb, ""), verbs_of(verb), verb)

    def test_options_are_those_of_the_verb_also_behind_its_names(self):
        for words in (("backup", "create"), ("backup", "verify", "/backup"), ("store", "export", "kitchen")):
            self.assertEqual(completed(*words, "--"), options_of(*words[:2]), words)

    def test_the_directories_of_backups_are_completed(self):
        for words in (("backup", "create", "--to"), ("backup", "restore"), ("backup", "ls")):
            self.assertEqual(completed(*words, str(DEPLOY / "comp")), {str(DEPLOY / "completion")}, words)

    def test_the_manual_has_every_verb_and_the_options_of_backups(self):
        manual = (DEPLOY / "man/spate.1").read_text()
        for verb in verbs_of():
            self.assertIn(f"spate {verb}", manual)
            section = manual.partition(f".SS Of spate {verb}\n")[2].partition("\n.S")[0]
            for each in verbs_of(verb):
                self.assertRegex(manual, rf"(?m)^\.BR? .*\b{each}\b", f"{verb} {each}")
                if verb == "backup":
                    for option in options_of(verb, each) - {"--help"}:
                        self.assertIn(option.replace("-", "\\-"), section, each)


if __name__ == "__main__":
    unittest.main()
