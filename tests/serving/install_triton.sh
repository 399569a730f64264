#!/usr/bin/env bash
# Puts a real Triton server into FOLDER/venv, from the wheel nvidia-pytriton: bash install_triton.sh FOLDER
# It wants CPython 3.11 on Linux x86-64 and numpy before 2; hence an environment of its own.
# Where that cannot be had, it says why in one line and exits 1; FOLDER/install.log holds the rest.
set -euo pipefail
folder=$1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
onnxruntime=$(grep -i '^onnxruntime==' "$root/constraints.txt")
pillow=$(grep -i '^pillow==' "$root/constraints.txt")
wanted="nvidia-pytriton==0.7.0 numpy==1.26.4 $onnxruntime $pillow"
stamp=$folder/venv/.installed
[ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && exit 0

fail() { echo "no real Triton server here: $1" >&2; exit 1; }
is_311() { "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; }
for python in "$root/.venv/bin/python" python3.11 python3 none; do
    is_311 "$python" && break
done
[ "$python" != none ] || fail "its wheel needs Python 3.11"

mkdir -p "$folder"
rm -rf "$folder/venv"
"$python" -m venv --without-pip "$folder/venv"
: >"$folder/install.log"
install() {
    "$python" -m pip --python "$folder/venv/bin/python" --disable-pip-version-check install "$@" \
        >>"$folder/install.log" 2>&1 || fail "pip could not install it: $(tail -n 1 "$folder/install.log")"
}
install numpy==1.26.4 "$onnxruntime" "$pillow"
install --no-deps nvidia-pytriton==0.7.0
printf '%s' "$wanted" >"$stamp"
