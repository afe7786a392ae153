#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""
Make the mutated copy of a source file that a block of `mutations` asks for.

usage: mutate.py MUTATIONS NAME ROOT OUT
       mutate.py --list MUTATIONS        name, file, invariants, arguments

Never here: compiling, running.
Invariant: a text that is not found exactly once ends the build.
"""
import sys


def blocks(path):
    with open(path, encoding="ascii") as lines:
        text = "".join(line for line in lines if not line.startswith("#"))
    for block in text.split("\n\n"):
        fields = dict(line.split("\t", 1) for line in block.splitlines()
                      if "\t" in line)
        if fields:
            yield fields


def plain(text):
    text = text.strip("\n")
    return "" if text == '""' else text.replace("\\n", "\n").replace(
        "\\t", "\t")


def main(args):
    if args[0] == "--list":
        for each in blocks(args[1]):
            run = each.get("run", "--seeds 5000")
            print(each["name"], each["file"], each["breaks"].replace(" ", ","),
                  run.replace(" ", ","))
        return 0
    mutations, name, root, out = args
    (each,) = [each for each in blocks(mutations) if each["name"] == name]
    with open(f"{root}/{each['file']}", encoding="utf-8") as source:
        text = source.read()
    count = text.count(plain(each["text"]))
    if count != 1:
        print(f"mutation {name}: {each['file']} has its text {count} times, "
              "not once", file=sys.stderr)
        return 1
    with open(out, "w", encoding="utf-8") as mutant:
        mutant.write(text.replace(plain(each["text"]), plain(each["with"])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
