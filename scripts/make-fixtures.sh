#!/usr/bin/env bash
# Makes test/fixtures/hello, a small image of two platforms, with umoci and buildah: real tools, so that dray is not tested
# against its own understanding alone. Times are fixed, so a second run gives the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SOURCE_DATE_EPOCH=1767225600 STORAGE_DRIVER=vfs
storage=(--root "$work/storage" --runroot "$work/run")

for architecture in amd64 arm64; do
  umoci init --layout "$work/oci"  2>/dev/null || true
  umoci new --image "$work/oci:$architecture"
  mkdir -p "$work/base/etc" "$work/app/usr/bin"
  printf 'NAME=hello\nARCHITECTURE=%s\n' "$architecture" > "$work/base/etc/os-release"
  printf '#!/bin/sh\necho hello from %s\n' "$architecture" > "$work/app/usr/bin/hello"
  chmod 755 "$work/app/usr/bin/hello"
  for layer in base app; do
    find "$work/$layer" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    tar -C "$work/$layer" --sort=name --owner=0 --group=0 --numeric-owner -cf "$work/$layer.tar" .
    umoci raw add-layer --image "$work/oci:$architecture" --history.created_by "add $layer" --history.created 2026-01-01T00:00:00Z "$work/$layer.tar"
  done
  umoci config --image "$work/oci:$architecture" --architecture "$architecture" --os linux --created 2026-01-01T00:00:00Z \
    --config.cmd /usr/bin/hello --config.env PATH=/usr/bin --no-history
  rm -rf "$work/base" "$work/app"
done

buildah "${storage[@]}" manifest create hello >/dev/null
for architecture in amd64 arm64; do
  buildah "${storage[@]}" manifest add --arch "$architecture" --os linux hello "oci:$work/oci:$architecture" >/dev/null
done
rm -rf test/fixtures/hello
mkdir -p test/fixtures
buildah "${storage[@]}" manifest push --all --quiet hello oci:test/fixtures/hello:1.0 >/dev/null
find test/fixtures/hello -type f | sort
