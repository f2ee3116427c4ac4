"""Shows that the vocabulary of ../sparge.yaml is the grammar's: every word of every caption, and no other.

    python check_words.py
"""

import os

import yaml

import grammar

SETTINGS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "sparge.yaml")


def check():
    with open(SETTINGS) as file:
        groups = yaml.safe_load(file)["vocabulary"]
    listed = {word for phrases in groups.values() for phrase in phrases for word in phrase.split()}
    used = set(grammar.all_words())
    if listed != used:
        raise RuntimeError(f"sparge.yaml lacks {sorted(used - listed)} and has {sorted(listed - used)} beyond the grammar")
    for group, values in {"shapes": grammar.SHAPES, "colours": grammar.COLOURS, "floors": grammar.FLOORS}.items():
        if tuple(groups[group]) != values:
            raise RuntimeError(f"sparge.yaml: {group} are {groups[group]}, the grammar's are {list(values)}")
    print(f"sparge.yaml lists the grammar's {len(used)} words")


if __name__ == "__main__":
    check()
