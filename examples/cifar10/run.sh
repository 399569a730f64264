#!/bin/sh
# From models and images to a cascade that is proven and served, without leaving the command line.
#
#   cd examples/cifar10 && sh run.sh DATA [OUT]
#
# DATA holds val.zip and test.zip (images in ImageFolder layout) and weights/*.onnx. For models of
# your own, change --model (other ONNX files, torch:MODULE:CALLABLE?weights=FILE, a timm name, ...)
# and preprocessing.json.
set -eu
data=$1
out=${2:-build}

# 1. What every model answers: once for the split that is searched, once for the test.
encas pool build --model "onnx:$data/weights/*.onnx" --preprocessing preprocessing.json \
    --data "$data/val.zip" --out "$out/val"
encas pool build --model "onnx:$data/weights/*.onnx" --preprocessing preprocessing.json \
    --data "$data/test.zip" --out "$out/test"
encas pool compare "$out/val" "$out/test"

# 2. The trade-off between accuracy and multiply-adds, and what it is worth on the test.
encas search "$out/val" --out "$out/front.json" --evaluations 50000 --seed 1
encas front evaluate "$out/front.json" "$out/test" --out "$out/front_test.json"
encas pool show "$out/val" --details --front "$out/front.json"

# 3. One cascade, exported; every decision on val.zip is held against the stored outputs.
encas export "$out/front.json" "$out/val" --knee --data "$data/val.zip" --out "$out/bundle"
encas verify "$out/bundle" --data "$data/test.zip" --pool "$out/test"

# 4. Served: curl http://127.0.0.1:8000/v2/models, or encas client.
encas serve "$out/bundle" --http-port 8000 --grpc-port 8001
