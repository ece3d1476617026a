#!/bin/sh
# Docker's health check and watchdog: sh lib/process/health.sh, in the container of a service.
#
# A check that Docker starts costs more processor time than all that it looks at, so one check watches for a minute: it
# succeeds at once when the service has become ready, and later when a minute has passed. It fails when the service is not
# ready for 10 s. A service without a heartbeat for 30 s (120 s after its start) hangs: it is killed, and Docker's restart
# policy starts it again.
heartbeat=${WIMZ_HEARTBEAT:-/tmp/heartbeat}
reported=$heartbeat.healthy
seconds=0 silent=0 unready=0 last=

while :; do
  beat='' state=''
  [ ! -r "$heartbeat" ] || read -r beat state < "$heartbeat"
  step=5
  [ -e "$reported" ] && [ "$state" = ready ] || step=1
  if [ "$beat" = "$last" ]; then silent=$((silent + step)); else silent=0; fi
  last=$beat
  limit=30
  [ -n "$beat" ] || limit=120
  if [ "$silent" -ge "$limit" ]; then
    read -r init < /proc/1/comm
    # outside a container of compose.yaml (init: true) this would kill everything
    case $init in docker-init | tini) ;; *) echo "no heartbeat for $silent s"; exit 1 ;; esac
    echo "no heartbeat for $silent s: killing the service, for Docker to restart it"
    # the init process may have been stopped, too: it has to see the end of the service
    kill -CONT 1
    kill -KILL -1
    exit 1
  fi
  if [ "$state" = ready ] && [ "$silent" -lt 15 ]; then
    unready=0
    [ -e "$reported" ] || { : > "$reported"; exit 0; }
    [ "$seconds" -lt 60 ] || exit 0
  elif [ "$silent" -lt 15 ]; then
    unready=$((unready + step))
    [ "$unready" -lt 10 ] || { echo "state: ${state:-starting}"; rm -f "$reported"; exit 1; }
  fi
  seconds=$((seconds + step))
  sleep "$step"
done
