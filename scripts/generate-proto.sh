#!/usr/bin/env bash
# Writes the messages of src/daemon/proto as TypeScript to src/daemon/gen, or to the directory that is given. Needs protoc (of Debian's
# package protobuf-compiler, for example) and nothing from the network; the plugin is a development dependency.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-src/daemon/gen}
mkdir -p "$out"
rm -f "$out"/*_pb.ts
protoc --plugin=protoc-gen-es=node_modules/.bin/protoc-gen-es --proto_path=src/daemon/proto \
  --es_out="$out" --es_opt=target=ts,import_extension=ts,erasable_syntax=true src/daemon/proto/*.proto
