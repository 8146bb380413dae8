#!/usr/bin/env python3
"""What ci.py decides, without running anything."""
import unittest

import ci


class Codes(unittest.TestCase):
    def test_a_failure_hides_a_broken_gate_and_a_crash_is_a_failure(self):
        for codes, expected in (((0, 0), 0), ((0, 3), 3), ((1, 3), 1), ((3, 2), 2), ((-11, 0), 1), ((0, -9), 1), ((3, -6), 1),
                                ((0, 139), 1)):
            self.assertEqual(ci.worst(codes), expected, codes)


if __name__ == "__main__":
    unittest.main()
