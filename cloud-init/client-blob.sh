#!/bin/bash
# client-blob.sh: what mounts a container of Azure Blob Storage: Microsoft's blobfuse2, and mount(8)'s way to it, so that
# /etc/fstab may have lines of type blobfuse2: ACCOUNT/CONTAINER FOLDER blobfuse2 client_id=CLIENT_ID.
# "How to install BlobFuse2"; the machine's managed identity opens the container: no key is written anywhere.
set -eu

if ! command -v blobfuse2 >/dev/null; then
  # The vendor's images have its repository; others get it: "Linux Software Repository for Microsoft Products".
  # shellcheck source=/dev/null
  . /etc/os-release
  if ! grep --quiet --recursive "packages.microsoft.com/$ID/$VERSION_ID/prod" /etc/apt/sources.list.d; then
    /opt/burst/packages.sh --no-install-recommends ca-certificates curl
    key=/usr/share/keyrings/microsoft-prod.asc
    curl --fail --silent --show-error --retry 5 --output "$key" https://packages.microsoft.com/keys/microsoft.asc
    echo "deb [arch=$(dpkg --print-architecture) signed-by=$key] https://packages.microsoft.com/$ID/$VERSION_ID/prod $VERSION_CODENAME main" \
      >/etc/apt/sources.list.d/microsoft-prod.list
    rm --force /run/burst/apt-updated
  fi
  /opt/burst/packages.sh --no-install-recommends fuse3 blobfuse2
fi

install --directory --mode=0700 /etc/blobfuse2
cat >/sbin/mount.blobfuse2 <<'END'
#!/bin/bash
# mount.blobfuse2 ACCOUNT/CONTAINER FOLDER [-o OPTIONS]: called by mount(8).
set -eu

account=${1%%/*} container=${1#*/} folder=$2 options=
shift 2
while getopts sfnvo:N:t: option; do
  [ "$option" != o ] || options=$OPTARG
done
client=
for each in ${options//,/ }; do
  [ "${each%%=*}" != client_id ] || client=${each#*=}
done
name=$(systemd-escape --path "$folder")
cache=/var/cache/blobfuse2/$name
mkdir --parents "$cache"
umask 077
cat >"/etc/blobfuse2/$name.yaml" <<YAML
allow-other: true
logging:
  type: syslog
components: [libfuse, file_cache, attr_cache, azstorage]
file_cache:
  path: $cache
  # What another node wrote is seen when a file is opened again.
  timeout-sec: 0
attr_cache:
  timeout-sec: 5
azstorage:
  type: block
  account-name: $account
  endpoint: https://$account.blob.core.windows.net
  container: $container
  mode: msi
  appid: $client
YAML
exec blobfuse2 mount "$folder" --config-file="/etc/blobfuse2/$name.yaml"
END
chmod 0755 /sbin/mount.blobfuse2
