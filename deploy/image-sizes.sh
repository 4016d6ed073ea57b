#!/bin/sh
# Prints how large an image is by layer, and what the newest layer's environment is made of.
#   deploy/image-sizes.sh docker maskwatch:cpu
set -eu
builder=$1
image=$2
echo "Layers of $image, the newest first:"
if [ "$builder" = docker ]; then
  docker history --format '{{.Size}}\t{{.CreatedBy}}' --no-trunc "$image" | cut -c1-100
  run() { docker run --rm --entrypoint sh "$image" -c "$1"; }
else
  "$builder" images --format '{{.Size}} in all, base included' "$image"
  container=$("$builder" from --pull-never "$image")
  trap '"$builder" rm "$container" > /dev/null' EXIT
  run() { "$builder" run --isolation chroot "$container" -- sh -c "$1"; }
fi
echo "On top of the base, in MB of a million bytes: the files themselves, and what they take on a disk with its blocks:"
run 'du -s --block-size=1000000 --apparent-size /opt/maskwatch; du -s --block-size=1000000 /opt/maskwatch'
echo "What it is made of, in MiB:"
run 'cd /opt/maskwatch/lib/python3*/site-packages && du -sm -- * | sort -rn | head -n 20'
echo "Compilers and TensorFlow in it:"
run 'command -v gcc cc g++ clang make || echo "no compiler"
     ls -d /opt/maskwatch/lib/python3*/site-packages/tensorflow 2> /dev/null || echo "no TensorFlow"'
