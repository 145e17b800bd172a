#!/usr/bin/env bash
# Startup script of a Selvage node on Google Compute Engine. It runs at every boot: the first one
# installs, later ones bring the configuration to what the instance's metadata say. What it does is
# told by these attributes of the instance:
#
#   selvage-version   version of the npm package
#   selvage-cluster   the cluster file itself
#   selvage-node      name of this node in it; default: the name of the instance
#   selvage-package   name of the npm package; default: selvage
#   selvage-registry  URL of the npm registry; default: the one that the image is set up for
#
#   gcloud compute instances create node-1 --can-ip-forward --metadata=selvage-version=X \
#       --metadata-from-file=startup-script=startup-script.sh,selvage-cluster=cluster.yaml …
set -euo pipefail

metadata=http://${GCE_METADATA_HOST:-metadata.google.internal}/computeMetadata/v1/instance

# value PATH: nothing where it is not set
value() {
    curl --silent --fail --noproxy '*' --max-time 10 --retry 5 --retry-connrefused \
        --header 'Metadata-Flavor: Google' "$metadata/$1" || {
        # 22: answered, with an error such as "not found".
        [ $? = 22 ] || return 1
    }
}

fail() {
    echo "selvage: $*" >&2
    exit 1
}

version=$(value attributes/selvage-version) || fail "the metadata server does not answer"
[ -n "$version" ] || fail "the instance has no attribute selvage-version"
node=$(value attributes/selvage-node)
[ -n "$node" ] || node=$(value name)
package=$(value attributes/selvage-package)
npm_config_registry=$(value attributes/selvage-registry)
export npm_config_registry

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

value attributes/selvage-cluster >cluster.yaml
[ -s cluster.yaml ] || fail "the instance has no attribute selvage-cluster"

if ! command -v npm >/dev/null; then
    echo "selvage: installing npm"
    if command -v apt-get >/dev/null; then
        export DEBIAN_FRONTEND=noninteractive
        apt-get -q -y -o DPkg::Lock::Timeout=300 update
        apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends npm
    else
        dnf -q -y install npm
    fi
fi

export npm_config_cache=$scratch/npm
npm pack --silent --ignore-scripts "${package:-selvage}@$version"
tar -xzf ./*.tgz package/deploy/install.sh
bash package/deploy/install.sh --package ./*.tgz --config cluster.yaml --node "$node" --node-from-npm
