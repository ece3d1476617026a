#!/bin/sh
# Installs the robot as systemd services, without Docker. Run it again to update.
#   sudo deploy/install.sh              installs from the folder that this file is in
#   deploy/install.sh --dry-run         only prints what it would do
#   sudo deploy/install.sh --uninstall  takes it away; /etc/wimz and /var/lib/wimz stay
set -eu

SOURCE=$(cd "$(dirname "$0")/.." && pwd)
APP=/opt/wimz     # the program; writable by root only
CONFIG=/etc/wimz  # robot.yaml, and robot.env with DEVICE_ID and DEVICE_SECRET
STATE=/var/lib/wimz
UNITS=/etc/systemd/system
NODE_VERSION=$(sed -n 's/^ *"node": "\([0-9.]*\)".*/\1/p' "$SOURCE/package.json")
PARTS='package.json package-lock.json .npmrc LICENSE THIRD_PARTY_NOTICES.md README.md main.ts config-schema.ts
  bus commands lib broker services dev doctor models demo configs'

DRY=false
UNINSTALL=false
for option in "$@"; do
  case $option in
    --dry-run) DRY=true ;;
    --uninstall) UNINSTALL=true ;;
    *) echo "unknown option $option: --dry-run or --uninstall" >&2; exit 64 ;;
  esac
done

run() {
  echo "+ $*"
  $DRY || "$@"
}

case $(uname -m) in
  aarch64) ARCH=arm64 ;;
  x86_64) ARCH=x64 ;;
  *) echo "$(uname -m): only 64-bit ARM and x86 are supported" >&2; exit 1 ;;
esac
if ! $DRY && [ "$(id -u)" != 0 ]; then
  echo "needs root: sudo $0 $*" >&2
  exit 77
fi

if $UNINSTALL; then
  run systemctl disable --now wimz.target wimz-broker wimz-relay-bridge wimz-webrtc wimz-vision wimz-metrics wimz-homeassistant || true
  for unit in "$SOURCE"/deploy/systemd/*; do run rm -rf "$UNITS/$(basename "$unit")"; done
  run systemctl daemon-reload
  run rm -rf "$APP"
  echo "left: $CONFIG and $STATE (settings, outbox, photos), user wimz"
  exit 0
fi

command -v npm >/dev/null || { echo 'needs npm: apt-get install npm' >&2; exit 69; }

getent passwd wimz >/dev/null || run useradd --system --home-dir "$STATE" --shell /usr/sbin/nologin wimz
run install -d -m 755 "$APP" "$CONFIG" "$APP/runtime/bin"
run install -d -m 700 -o wimz -g wimz "$STATE"

# what an older version had and this one has not must not stay
for part in $PARTS; do
  run rm -rf "${APP:?}/$part"
  run cp -R "$SOURCE/$part" "$APP/$part"
done
run rm -f "$APP/configs/.env"
run chown -R root:root "$APP"
run chmod -R u=rwX,go=rX "$APP"
run ln -sfn "$STATE" "$APP/data"

# the Node that this version was tested with, from npm; the system's own may be older. No package runs a script as root
run npm install --prefix "$APP/runtime" --ignore-scripts --no-save --no-audit --no-fund "node-linux-$ARCH@$NODE_VERSION"
run ln -sfn "../node_modules/node-linux-$ARCH/bin/node" "$APP/runtime/bin/node"
run npm ci --prefix "$APP" --omit=dev --ignore-scripts

# settings are the owner's: never overwritten
[ -e "$CONFIG/robot.yaml" ] || run install -m 640 -g wimz "$SOURCE/configs/robot.yaml" "$CONFIG/robot.yaml"
[ -e "$CONFIG/robot.env" ] || run install -m 600 /dev/null "$CONFIG/robot.env"

run cp -R "$SOURCE/deploy/systemd/." "$UNITS/"
run systemctl daemon-reload
run systemctl enable wimz.target wimz-broker wimz-relay-bridge wimz-webrtc wimz-vision
run systemctl restart wimz.target
echo "Put DEVICE_ID=… and DEVICE_SECRET=… into $CONFIG/robot.env, then: systemctl restart wimz-relay-bridge"
echo "Figures for Prometheus: set metrics.port in $CONFIG/robot.yaml, then: systemctl enable --now wimz-metrics"
echo "Home Assistant: set homeassistant.enabled in $CONFIG/robot.yaml, then: systemctl enable --now wimz-homeassistant"
echo 'How it is: systemctl status "wimz-*"; journalctl -fu "wimz-*"'
