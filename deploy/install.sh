#!/bin/sh
# Installs the robot as systemd services, without Docker. Afterwards `wimz update` does this with a way back.
#   sudo deploy/install.sh              installs from the folder that this file is in, starts it, and runs the doctor
#   sudo deploy/install.sh --prepare    only puts this version beside the installed one, and prints its folder
#   sudo deploy/install.sh --activate F makes the version in folder F the installed one, and starts it
#   deploy/install.sh --dry-run         only prints what it would do
#   sudo deploy/install.sh --uninstall  removes it; /etc/wimz and /var/lib/wimz stay
set -eu

SOURCE=$(cd "$(dirname "$0")/.." && pwd)
ROOT=${WIMZ_ROOT:-}               # another root directory, for a rehearsal
APP=$ROOT/opt/wimz                # a link to the version that runs
RELEASES=$ROOT/opt/wimz-releases  # all versions; writable by root only
CONFIG=$ROOT/etc/wimz             # robot.yaml, and robot.env with DEVICE_ID and DEVICE_SECRET
STATE=$ROOT/var/lib/wimz
UNITS=$ROOT/etc/systemd/system
BIN=$ROOT/usr/local/bin
SERVICES='wimz-broker wimz-relay-bridge wimz-webrtc wimz-vision'
OPTIONAL_SERVICES='wimz-audio wimz-recorder wimz-metrics wimz-homeassistant'
NODE_VERSION=$(sed -n 's/^ *"node": "\([0-9.]*\)".*/\1/p' "$SOURCE/package.json")
VERSION=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' "$SOURCE/package.json")
PARTS='package.json package-lock.json .npmrc LICENSE THIRD_PARTY_NOTICES.md README.md main.ts compact.ts config-schema.ts prepare-settings.ts
  bus commands lib broker services dev doctor models demo configs deploy'

DRY=false
ACTION=install
RELEASE=$RELEASES/$VERSION-$(date +%Y%m%d-%H%M%S)
while [ $# -gt 0 ]; do
  case $1 in
    --dry-run) DRY=true ;;
    --uninstall) ACTION=uninstall ;;
    --prepare) ACTION=prepare ;;
    --activate)
      ACTION=activate
      RELEASE=${2:?--activate needs the folder of a version}
      shift
      ;;
    *) echo "unknown option $1: --dry-run, --prepare, --activate or --uninstall" >&2; exit 64 ;;
  esac
  shift
done

run() {
  if $DRY; then echo "+ $*"; return; fi
  echo "+ $*" >&2
  "$@" >&2
}

case $(uname -m) in
  aarch64) ARCH=arm64 ;;
  x86_64) ARCH=x64 ;;
  *) echo "$(uname -m): only 64-bit ARM and x86 are supported" >&2; exit 1 ;;
esac
if ! $DRY && [ "$(id -u)" != 0 ]; then
  echo "needs root: sudo $0" >&2
  exit 77
fi

# one installation at a time; wimz, which has the lock already, passes it on
lock() {
  run install -d -m 755 "$CONFIG"
  [ /proc/$$/fd/9 -ef "$CONFIG" ] || exec 9<"$CONFIG"
  flock -n 9 || { echo 'another install.sh or wimz is at work here: run this again when it has ended' >&2; exit 69; }
}

prepare() {
  command -v npm >/dev/null || { echo 'needs npm: sudo apt-get install --no-install-recommends npm' >&2; exit 69; }
  getent passwd wimz >/dev/null || run useradd --system --home-dir "$STATE" --shell /usr/sbin/nologin wimz
  run install -d -m 755 "$RELEASES" "$CONFIG" "$BIN"
  run install -d -m 700 -o wimz -g wimz "$STATE"

  # what an interrupted run has left
  run rm -rf "$RELEASES/partial"
  partial=$RELEASES/partial
  # half a version must not take the space that the running one needs
  $DRY || trap 'rm -rf "$partial"; echo "not prepared, nothing has changed: is the disk of $RELEASES full or read-only, or the network down?" >&2' EXIT
  run install -d -m 755 "$partial" "$partial/runtime/bin"
  for part in $PARTS; do run cp -R "$SOURCE/$part" "$partial/$part"; done
  run rm -f "$partial/configs/.env"
  run chown -R root:root "$partial"
  run chmod -R u=rwX,go=rX "$partial"
  run ln -sfn "$STATE" "$partial/data"

  # the Node that this version was tested with, from npm; the system's own may be older. No package runs a script as root
  run npm install --prefix "$partial/runtime" --ignore-scripts --no-save --no-audit --no-fund "node-linux-$ARCH@$NODE_VERSION"
  run ln -sfn "../node_modules/node-linux-$ARCH/bin/node" "$partial/runtime/bin/node"
  run npm ci --prefix "$partial" --omit=dev --ignore-scripts

  # settings are the owner's: never overwritten
  run "$partial/runtime/bin/node" "$partial/prepare-settings.ts" "$partial/configs" "$CONFIG" "$(id -g wimz 2>/dev/null || echo 0)"
  [ -e "$CONFIG/robot.env" ] || run install -m 600 /dev/null "$CONFIG/robot.env"
  # only a complete version gets its name, and only after it is on the disk
  run sync
  run mv -T "$partial" "$RELEASE"
  trap - EXIT
}

# by a complete file, on the disk, or not at all: after a power cut these files go back to the version before
replace() {
  run install -D -m "$1" "$2" "$3.next"
  run sync "$3.next"
  run mv -T "$3.next" "$3"
}

activate() {
  if [ -d "$APP" ] && [ ! -L "$APP" ]; then
    # an installation from before 0.2 is a folder
    run mv -T "$APP" "$RELEASES/0.1.0-before"
  fi
  for unit in $(cd "$SOURCE/deploy/systemd" && find . -type f | cut -c3-); do
    replace 644 "$RELEASE/deploy/systemd/$unit" "$UNITS/$unit"
  done
  replace 755 "$RELEASE/deploy/wimz" "$BIN/wimz"
  run ln -sfn "$RELEASE" "$APP.next"
  # rename(2) is atomic: at any moment the link leads to a complete version
  run mv -T "$APP.next" "$APP"
  run sync
  run systemctl daemon-reload
  # shellcheck disable=SC2086 # a list
  run systemctl enable wimz.target resume-wimz $SERVICES
  # wimz.target stops them too, but systemctl would not wait for that
  # shellcheck disable=SC2086
  run systemctl stop wimz.target $SERVICES $OPTIONAL_SERVICES
  # a service that does not start is tried for ever, and resume-wimz runs before the services: neither may wait for them
  run systemctl start --no-block wimz.target
}

# waits a minute for the services, then runs the doctor
check() {
  for _ in $(seq 60); do
    # shellcheck disable=SC2086
    [ "$(systemctl is-active $SERVICES | sort -u)" != active ] || break
    sleep 1
  done
  if ! grep -q '^DEVICE_ID=..*' "$CONFIG/robot.env"; then
    echo "This robot has no identity yet, so apps cannot reach it. Put DEVICE_ID=… and DEVICE_SECRET=… into $CONFIG/robot.env, then:"
    echo '  sudo systemctl restart wimz-relay-bridge'
  fi
  "$BIN/wimz" doctor || echo "Change $CONFIG/robot.yaml where a line above says so, then: sudo systemctl restart wimz.target; sudo wimz doctor"
}

$DRY || lock
case $ACTION in
  uninstall)
    # shellcheck disable=SC2086
    run systemctl disable --now wimz.target resume-wimz $SERVICES $OPTIONAL_SERVICES || true
    for unit in "$SOURCE"/deploy/systemd/*; do run rm -rf "$UNITS/$(basename "$unit")"; done
    run systemctl daemon-reload
    run rm -rf "$APP" "$RELEASES" "$BIN/wimz"
    echo "left: $CONFIG and $STATE (settings, outbox, photos), user wimz"
    ;;
  prepare)
    prepare
    echo "$RELEASE"
    ;;
  activate) activate ;;
  install)
    prepare
    activate
    $DRY || check
    echo "Microphone: set audio.source in $CONFIG/robot.yaml, then: systemctl enable --now wimz-audio"
    echo "Metrics for Prometheus: set metrics.port in $CONFIG/robot.yaml, then: systemctl enable --now wimz-metrics"
    echo "Home Assistant: set homeassistant.enabled in $CONFIG/robot.yaml, then: systemctl enable --now wimz-homeassistant"
    echo 'The robot from now on: wimz status; sudo wimz doctor; wimz logs'
    ;;
esac
