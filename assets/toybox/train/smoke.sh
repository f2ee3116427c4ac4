#!/bin/sh
# Proves the training chain on the CPU in a few minutes: renders 16 clips, makes the tokenizer, trains VAE, transformer and
# text encoder for a few steps with a stop between, saves a model folder, holds it against diffusers and renders a clip.
#
#   smoke.sh [FOLDER]        FOLDER (a new temporary one by default) gets the work files and the model
#
# PYTHON names an interpreter that has requirements.txt; without it a virtual environment is made in the user's cache.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "${PYTHON:-}" ]; then
  venv="${XDG_CACHE_HOME:-$HOME/.cache}/sparge/toybox-train"
  if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
    echo "toybox: making a Python environment in $venv (about 6 GB, a few minutes, once)"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$venv/requirements.txt"
  fi
  PYTHON="$venv/bin/python"
fi
if [ $# -gt 0 ]; then
  folder=$1
  rm -rf "$folder/work" "$folder/model"
  mkdir -p "$folder"
else
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
fi
export HF_HUB_OFFLINE=1 PYTHONDONTWRITEBYTECODE=1
cd "$here"
"$PYTHON" check_words.py
"$PYTHON" train_all.py "$folder/work" "$folder/model" --smoke
for path in model_index.json transformer/config.json vae/config.json text_encoder/config.json tokenizer/spiece.model; do
  [ -s "$folder/model/$path" ] || { echo "smoke.sh: $path is missing in the saved model" >&2; exit 1; }
done
echo "smoke.sh: the training chain works"
