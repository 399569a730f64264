#!/bin/sh
# From models and images to a cascade that is proven and served, without leaving the command line.
#
#   cd examples/cifar10 && sh run.sh DATA [OUT]
#
# DATA holds val.zip and test.zip (images in ImageFolder layout) and weights/*.onnx. README.md says
# what to change for models and images of your own.
set -eu
data=$1
out=${2:-build}
evaluations=${EVALUATIONS:-50000}
http=${HTTP_PORT:-8000}
grpc=${GRPC_PORT:-8001}

# 1. What every model answers: once for the split that is searched, once for the test.
for split in val test; do
    encas pool build --model "onnx:$data/weights/*.onnx" --preprocessing preprocessing.json \
        --data "$data/$split.zip" --out "$out/$split"
done
encas pool diff "$out/val" "$out/test"

# 2. The trade-off between accuracy and multiply-adds, and what it is worth on the test.
encas search "$out/val" --out "$out/front.json" --evaluations "$evaluations" --seed 1
encas front evaluate "$out/front.json" "$out/test" --out "$out/front_test.json"
encas pool show "$out/val" --details --front "$out/front.json"
encas report "$out/front.json" "$out/front_test.json" --pool "$out/test" --out "$out/report.html"

# 3. One cascade, exported; every decision on val.zip is held against the stored outputs.
encas export "$out/front.json" "$out/val" --knee --data "$data/val.zip" --out "$out/bundle"
encas verify "$out/bundle" --data "$data/test.zip" --pool "$out/test"

# 4. Served, and asked for the answers to all test images.
encas serve "$out/bundle" --http-port "$http" --grpc-port "$grpc" &
trap 'kill $!' EXIT
curl --silent --fail --retry 60 --retry-delay 1 --retry-connrefused \
    "http://127.0.0.1:$http/v2/health/ready"
encas client "grpc://127.0.0.1:$grpc" --data "$data/test.zip" --bundle "$out/bundle" \
    --batch-size 16 --concurrency 2
