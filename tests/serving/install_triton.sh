#!/usr/bin/env bash
# Puts a real Triton server into FOLDER/venv, from the wheel nvidia-pytriton: bash install_triton.sh FOLDER
# It wants CPython 3.11 on Linux x86-64 and numpy before 2; hence an environment of its own.
set -euo pipefail
folder=$1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
onnxruntime=$(grep -i '^onnxruntime==' "$root/constraints.txt")
pillow=$(grep -i '^pillow==' "$root/constraints.txt")
wanted="nvidia-pytriton==0.7.0 numpy==1.26.4 $onnxruntime $pillow"
stamp=$folder/venv/.installed
[ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && exit 0

is_311() { "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; }
for python in "$root/.venv/bin/python" python3.11 python3 none; do
    is_311 "$python" && break
done
[ "$python" != none ] || { echo "a real Triton server needs Python 3.11" >&2; exit 1; }

mkdir -p "$folder"
rm -rf "$folder/venv"
"$python" -m venv --without-pip "$folder/venv"
install() { "$python" -m pip --python "$folder/venv/bin/python" --disable-pip-version-check install --quiet "$@"; }
install numpy==1.26.4 "$onnxruntime" "$pillow"
install --no-deps nvidia-pytriton==0.7.0
printf '%s' "$wanted" >"$stamp"
