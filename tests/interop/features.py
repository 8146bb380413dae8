"""What the programs here print: a line for each feature that they try with one version, e.g. "qos1 ok" or "will no: why".

Each is called as PROGRAM HOST PORT VERSION, with version 4 (3.1.1) or 5, makes up topics of its own below interop/, and
leaves nothing retained behind.
"""
import sys

FEATURES = ["qos0", "qos1", "qos2", "retained", "will", "shared", "properties"]
PATIENCE_S = 30
SHARED = 10  # Messages to a shared subscription of two members.


def run(tries):
    """`tries`: {feature: function}. Whatever a function raises is why the feature does not work."""
    failed = False
    for feature in FEATURES:
        if feature not in tries:
            continue
        try:
            tries[feature]()
            print(feature, "ok", flush=True)
        except Exception as error:  # A library may raise anything.
            failed = True
            print(feature, f"no: {type(error).__name__}: {error}".replace("\n", " "), flush=True)
    sys.exit(1 if failed else 0)


def expect(found, wanted):
    if found != wanted:
        raise AssertionError(f"{found!r} instead of {wanted!r}")
