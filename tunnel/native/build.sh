#!/bin/sh
# Builds the native addon with a plain C compiler: no node-gyp, no Python, no download.
#
#   build.sh               for this machine, into build/
#   build.sh --prebuilds   stripped binaries for x64 and arm64, into prebuilds/, and their manifest
#
# NODE_INCLUDE names the folder with node_api.h; by default it is looked for beside the `node` that
# runs, then in /usr/include/node. CC, CC_ARM64 and CC_X64 override the compilers.
set -eu
cd "$(dirname "$0")"

find_headers() {
    if [ -n "${NODE_INCLUDE:-}" ]; then echo "$NODE_INCLUDE"; return; fi
    beside=$(node -p 'require("path").resolve(process.execPath, "../../include/node")' 2>/dev/null || true)
    for folder in "$beside" /usr/include/node /usr/local/include/node; do
        if [ -f "$folder/node_api.h" ] && [ -f "$folder/uv.h" ]; then echo "$folder"; return; fi
    done
    echo "build.sh: node_api.h and uv.h not found beside node nor in /usr/include/node;" \
        "install Node's headers (Debian: libnode-dev) or set NODE_INCLUDE" >&2
    exit 1
}
headers=$(find_headers)

# compile COMPILER OUTPUT; written beside and moved, so that a running process keeps its copy
compile() {
    mkdir -p "$(dirname "$2")"
    "$1" -shared -fPIC -O2 -std=gnu11 -Wall -Wextra -Werror -fvisibility=hidden -s \
        -Wl,--build-id=none -ffile-prefix-map="$PWD"=. \
        -I "$headers" -o "$2.new" selvage.c
    mv "$2.new" "$2"
    echo "built tunnel/native/$2"
}

case "${1:-}" in
'')
    arch=$(node -p process.arch)
    compile "${CC:-cc}" "build/linux-$arch/selvage.node"
    ;;
--prebuilds)
    compile "${CC_X64:-x86_64-linux-gnu-gcc}" prebuilds/linux-x64/selvage.node
    compile "${CC_ARM64:-aarch64-linux-gnu-gcc}" prebuilds/linux-arm64/selvage.node
    source=$(sha256sum selvage.c | cut -d' ' -f1)
    cat > prebuilds/manifest.json <<JSON
{
  "napiVersion": 8,
  "sourceSha256": "$source",
  "binaries": {
    "linux-x64": { "path": "linux-x64/selvage.node", "libc": "glibc", "tested": true },
    "linux-arm64": { "path": "linux-arm64/selvage.node", "libc": "glibc", "tested": false }
  }
}
JSON
    ;;
*)
    echo "usage: build.sh [--prebuilds]" >&2
    exit 2
    ;;
esac
