#!/bin/sh
# From a fresh clone to a running site: secrets, image, services. Run it again after a change or an upgrade.
#   deploy/up.sh [arguments of `docker compose up`, such as --scale detector=2]
set -eu
cd "$(dirname -- "$0")"
if [ ! -f settings/cameras.yaml ]; then
  echo "deploy/settings/cameras.yaml is missing: copy cameras.example.yaml beside it and write your cameras" >&2
  exit 2
fi
./secrets.sh
[ ! -f .env ] || in_file=$(sed -n 's/^MASKWATCH_IMAGE=//p' .env)
image=${MASKWATCH_IMAGE:-${in_file:-maskwatch:cpu}}
if [ "$image" = maskwatch:cpu ]; then  # what has not changed since the last time is not built again
  docker build -f Dockerfile -t "$image" --build-arg REVISION="$(git rev-parse --short HEAD 2> /dev/null || echo unknown)" ..
fi
if [ ! -s secrets/page_password_hash ] || [ secrets/page_password -nt secrets/page_password_hash ]; then
  password=$(cat secrets/page_password)
  printf '%s\n%s\n' "$password" "$password" | docker run --rm -i "$image" dashboard --hash-password 2> /dev/null \
    | grep -o '[$]argon2.*' > secrets/page_password_hash
fi
docker compose -f compose.yaml up -d --remove-orphans "$@"
echo "page      http://$(hostname):8080   user admin, password in deploy/secrets/page_password"
echo "Grafana   http://$(hostname):3000   user admin, password in deploy/secrets/grafana_password"
