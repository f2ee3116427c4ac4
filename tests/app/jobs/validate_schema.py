"""Holds configs/jobs.schema.json against what `sparge render` takes: the examples and every case with a plan must be
valid, and files with mistakes that an editor should show must not."""

import pathlib
import re
import sys

import jsonschema
import yaml


class Loader(yaml.SafeLoader):
    """Takes dates for text, as editors and `sparge render` do."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}

MISTAKES = [
    "jobs: []",
    "version: 1",
    "version: 2\njobs: []",
    "version: 1\njobs: {}",
    "version: 1\njobs: [3]",
    "version: 1\njobs: []\nextra: 1",
    "version: 1\njobs: [{stpes: 3}]",
    "version: 1\njobs: [{steps: many}]",
    "version: 1\njobs: [{steps: 0}]",
    "version: 1\njobs: [{steps: 1..3}]",
    "version: 1\njobs: [{guidance: -1}]",
    "version: 1\njobs: [{attention: {mode: spagre}}]",
    "version: 1\njobs: [{attention: dense}]",
    "version: 1\njobs: [{attention.topk: 0}]",
    "version: 1\njobs: [{topk: 0.5}]",
    "version: 1\njobs: [{matrix: {seed: []}}]",
    "version: 1\njobs: [{matrix: [1]}]",
    "version: 1\njobs: [{matrix: {steps: [x]}}]",
    "version: 1\njobs: [{matrix: {zap: [1]}}]",
    "version: 1\njobs: [{repeat: 0}]",
    "version: 1\njobs: [{prompts: []}]",
    "version: 1\njobs: [{compare: {variants: [{}]}}]",
    "version: 1\njobs: [{compare: {reference: {}, variants: [{}], floor: on}}]",
    "version: 1\njobs: [{include: {seed: 1}}]",
    "version: 1\njobs: [{attention: {schedule: [{mod: dense}]}}]",
    "version: 1\ndefaults: {name: x}\njobs: []",
    "version: 1\nprofiles: {a: {zap: 1}}\njobs: []",
]


def plans(text):
    """The YAML of every case of a case file that leads to a plan."""
    for case in re.split(r"^=== ", text, flags=re.M)[1:]:
        title, _, body = case.partition("\n")
        sections = re.split(r"^--- (\w+)[^\n]*\n", body, flags=re.M)
        found = dict(zip(sections[1::2], sections[2::2]))
        if "plan" not in found:
            continue
        source = found["yaml"].replace("\\r", "")
        for key, line in (("version", "version: 1"), ("defaults", "defaults: {model: model, prompt: p}")):
            if not re.search(rf"^{key}", source, flags=re.M):
                source += line + "\n"
        yield title, source


def main(root):
    root = pathlib.Path(root)
    schema = yaml.safe_load((root / "configs/jobs.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    failures = valid = 0
    files = [(str(path), path.read_text()) for path in sorted((root / "configs/examples").glob("*.yaml"))]
    for path in sorted((root / "tests/app/jobs/cases").glob("*.txt")):
        files += [(f"{path.name}: {title}", text) for title, text in plans(path.read_text())]
    for name, text in files:
        error = jsonschema.exceptions.best_match(validator.iter_errors(yaml.load(text, Loader)))
        if error:
            print(f"{name}: {error.json_path}: {error.message[:200]}")
            failures += 1
        valid += 1
    for text in MISTAKES:
        if validator.is_valid(yaml.load(text, Loader)):
            print(f"taken for right: {text!r}")
            failures += 1
    print(f"{valid} files, {len(MISTAKES)} mistakes, {failures} failures")
    return 1 if failures or valid < 40 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
