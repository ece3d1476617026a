#!/bin/sh
# Part of deploy/wimz: backup and restore. What is called or named here and is not defined here is in that file.

stop_services() {
  if [ $KIND = systemd ]; then
    systemctl stop wimz.target wimz-broker wimz-relay-bridge wimz-webrtc wimz-vision wimz-audio wimz-recorder wimz-metrics wimz-homeassistant
  else
    compose stop
  fi
}

# until the end of this script; Docker would not start at boot what was stopped
pause_services() {
  # a backup from a disk that is read-only goes on
  [ $KIND = systemd ] || begin "$(installed)" || say "if the power fails now, run $0 resume afterwards: $TRIAL cannot be written"
  trap 'start_services; end' EXIT
  stop_services
}

# data in use cannot be copied file by file: the services stop for some seconds
backup() {
  file=${1:-wimz-$(date +%Y%m%d-%H%M%S).tar.gz}
  umask 077
  (: >"$file.new") 2>/dev/null || fail "cannot write $file: name a file on a disk that is mounted writable" 73
  pause_services
  trap 'rm -f "$file.new" "$file.part" "$file.data"; start_services; end' EXIT
  archive "$file" || fail "no backup: $file could not be written. Is its disk full? Name a file on another one" 74
  say "saved to $file: keep it in a safe place, it contains the secret of the robot"
}

# half an archive never gets the name of a whole one, nor takes the place of an older one
archive() {
  if [ $KIND = systemd ]; then
    # shellcheck disable=SC2086 # a list
    tar -czf "$1.new" --exclude=compile-cache --exclude=.restored -C "$ROOT/" $PARTS || return
  else
    volume=$(compose config --volumes | head -n 1)
    [ -n "$volume" ] || fail 'compose.yaml names no volume'
    # shellcheck disable=SC2046 # a list
    tar -cf "$1.part" configs $(ls -d .env settings secrets 2>/dev/null || :) &&
      compose run --rm -T --no-deps --entrypoint tar broker --exclude=compile-cache --exclude=.restored -cC /app data >"$1.data" &&
      tar -Af "$1.part" "$1.data" &&
      gzip -c "$1.part" >"$1.new" || return
  fi
  sync && mv "$1.new" "$1"
}

restore() {
  [ -r "${1:-}" ] || fail 'name the archive that wimz backup has made' 66
  # shellcheck disable=SC2086 # a list
  tar -tzf "$1" $PARTS >/dev/null 2>&1 || fail "$1 is not an archive that wimz backup has made of a robot with $KIND" 65
  pause_services
  trap 'discard_unpacked; start_services; end' EXIT
  unpack "$1" || fail "not restored, nothing has changed. Is the disk full, or read-only? Free space, then repeat: wimz restore $1" 74
  adopt || fail "restored in part only. Is the disk full? Free space, then repeat: wimz restore $1" 74
  say "restored from $1"
}

# beside what is there, which changes only when all of it is on the disk
unpack() {
  if [ $KIND = systemd ]; then
    for part in $PARTS; do
      folder=$ROOT/$part/.restored
      rm -rf "$folder" && mkdir -m 700 "$folder" && tar -xzpf "$1" -C "$folder" "$part" || return
    done
  else
    rm -rf .restored && mkdir -m 700 .restored || return
    for part in configs .env settings secrets; do
      ! tar -tzf "$1" $part >/dev/null 2>&1 || tar -xzpf "$1" -C .restored $part || return
    done
    gzip -dc "$1" | in_volume 'rm -rf .restored && mkdir .restored && tar -x -C .restored data || { rm -rf .restored; exit 1; }' || return
  fi
  sync
}

# links need no space; the journal of an outbox that is not the one of the archive must not be applied to it
adopt() {
  if [ $KIND = systemd ]; then
    rm -f "$ROOT"/var/lib/wimz/outbox.db-*
    for part in $PARTS; do cp -alf "$ROOT/$part/.restored/$part/." "$ROOT/$part/" || return; done
  else
    # shellcheck disable=SC2046 # a list
    cp -alf $(ls -d .restored/.env .restored/* 2>/dev/null) . &&
      in_volume 'rm -f outbox.db-* && cp -alf .restored/data/. . && rm -rf .restored' </dev/null
  fi
}

discard_unpacked() {
  if [ $KIND = systemd ]; then
    for part in $PARTS; do rm -rf "$ROOT/$part/.restored"; done
  else
    rm -rf .restored
  fi
}

# runs a script in the data folder
in_volume() { compose run --rm -T --no-deps --entrypoint sh broker -c "cd data && $1"; }
