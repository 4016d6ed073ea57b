#!/bin/sh
# Makes what is missing in deploy/secrets: a password for every role and server, and the list of Redis users.
# Run it again whenever you like: what is there stays. Remove a file to have it made anew, then restart everything.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
out=${1:-$here/secrets}
# The folder keeps other users of this machine out; the files can be read by containers, whose users are others.
mkdir -p "$out"/cameras "$out"/alerts
chmod 0700 "$out"
umask 022
roles='ingest detect aggregate notify dashboard subscriber'
names='page_password mqtt_password grafana_password postgres_password'
for role in $roles; do names="$names bus_$role"; done

for name in $names; do
  if [ ! -s "$out/$name" ]; then
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n' > "$out/$name"
    echo "made $out/$name"
  fi
done

[ -s "$out/mqtt_users" ] || printf 'maskwatch:%s\n' "$(cat "$out/mqtt_password")" > "$out/mqtt_users"

edits='/^#/d;/^$/d'
for role in $roles; do
  upper=$(echo "$role" | tr '[:lower:]' '[:upper:]')
  sum=$(sha256sum < "$out/bus_$role" | cut -d' ' -f1)
  edits="$edits;s/${upper}_SHA256/$sum/"
done
sed "$edits" "$here/redis/users.acl" > "$out/users.acl"

# What an operator put there by hand must be readable inside the containers; the folder above keeps others out.
chmod -R a+rX "$out"/cameras "$out"/alerts
