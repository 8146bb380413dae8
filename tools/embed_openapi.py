#!/usr/bin/env python3
"""Turns api/openapi.yaml into C++: the document as compact JSON, and its table of problem codes.

usage: embed_openapi.py api/openapi.yaml OUTPUT.cpp
"""
import json
import sys

import yaml

PIECE = 4000  # compilers need not take longer string literals in one piece


def literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=True)


def raw_pieces(text: str) -> str:
    pieces = [text[i:i + PIECE] for i in range(0, len(text), PIECE)]
    return "\n".join(f'    R"spate({piece})spate"' for piece in pieces)


def main(source: str, target: str) -> None:
    with open(source, encoding="utf-8") as file:
        document = yaml.safe_load(file)
    codes = document["x-spate-problem-codes"]
    text = json.dumps(document, ensure_ascii=True, separators=(",", ":"))
    rows = "\n".join(
        f"    {{{literal(code)}, {c['status']}, {literal(c['title'])}, {str(c['retry']).lower()}}},"
        for code, c in codes.items())
    with open(target, "w", encoding="utf-8") as out:
        out.write(f"""// Generated from openapi.yaml by tools/embed_openapi.py.
#include "api/openapi.hpp"

#include <array>

namespace spate::api {{

namespace {{
constexpr std::array<ProblemCode, {len(codes)}> kCodes = {{{{
{rows}
}}}};
constexpr char kDocument[] =
{raw_pieces(text)};
}} // namespace

std::span<const ProblemCode> problem_codes() noexcept {{ return kCodes; }}
std::string_view openapi_json() noexcept {{ return {{kDocument, sizeof kDocument - 1}}; }}

}} // namespace spate::api
""")


if __name__ == "__main__":
    main(*sys.argv[1:])
