#!/usr/bin/env bash
# `ray up` of docs/clusters/onpremise.yaml against real sshd daemons, on one Linux machine, as root.
#
# Four "machines" (a laptop, a head, two workers) are namespaces of their own: network (a bridge
# joins them, and nothing leads out), mounts, processes. So `ray stop` reaches one of them alone,
# and killing a machine's first process ends all of it, like a power cut. They share the disk that
# a cluster's machines would mount. VENV is the environment to use; ROUND ends with "rehearsed".
set -euo pipefail

PROJECT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
VENV=${VENV:-$PROJECT/.venv}
STEPS=$PROJECT/tests/cluster/steps.sh
NET=10.77.0
declare -A ADDRESS=([head]=$NET.1 [worker-1]=$NET.2 [worker-2]=$NET.3)

need() { # need COMMAND PACKAGE
  command -v "$1" >/dev/null 2>&1 || [[ -x /usr/sbin/$1 ]] || missing+=("$2")
}

outside() {
  [[ $(id -u) == 0 ]] || { echo "namespaces and sshd need root" >&2; exit 1; }
  missing=()
  need sshd openssh-server
  need ssh openssh-client
  need ip iproute2
  need rsync rsync
  need curl curl
  if ((${#missing[@]})); then
    echo "installing ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  fi
  WORK=$(mktemp -d)
  trap 'rm -rf "$WORK"' EXIT
  export WORK VENV
  unshare --net --mount --pid --fork --mount-proc --kill-child "$0" laptop
}

at_home() { # at_home NAME: this namespace's own home, /tmp/ray and /run; the shared disk on /mnt
  export HOME=$WORK/home/$1
  mkdir -p "$HOME" "$WORK/shared" /tmp/ray
  awk -F: -v OFS=: -v home="$HOME" '$1 == "root" { $6 = home } 1' /etc/passwd > "$WORK/passwd-$1"
  mount --bind "$WORK/passwd-$1" /etc/passwd
  mount -t tmpfs tmpfs /tmp/ray
  mount -t tmpfs tmpfs /run
  mount --bind "$WORK/shared" /mnt
  ip link set lo up
}

machine() { # machine NAME: what a machine of the cluster runs: sshd
  at_home "$1"
  hostname "$1"
  install -d -m 700 "$HOME/.ssh" /run/sshd
  cp "$WORK/home/laptop/.ssh/pbb_cluster.pub" "$HOME/.ssh/authorized_keys"
  until ip link set lan up 2>/dev/null; do sleep 0.1; done  # the laptop moves it in
  ip addr add "${ADDRESS[$1]}/24" dev lan
  ip route add default via $NET.254
  exec /usr/sbin/sshd -D -e -f /dev/null -h "$WORK/hostkey" -o PidFile=none -o UsePAM=no \
    -o PermitRootLogin=prohibit-password -o StrictModes=no 2> "$WORK/sshd-$1.log"
}

power_on() { # power_on NAME: start the machine and plug it in
  unshare --net --mount --pid --uts --fork --mount-proc --kill-child "$0" machine "$1" &
  local first=
  until first=$(cat "/proc/$!/task/$!/children" 2>/dev/null) && [[ -n $first ]]; do sleep 0.1; done
  FIRST[$1]=${first% }
  local port=port-${1: -1}
  ip link add "$port" type veth peer name "lan-${1: -1}"
  ip link set "lan-${1: -1}" netns "${FIRST[$1]}"
  nsenter -t "${FIRST[$1]}" -n ip link set "lan-${1: -1}" name lan
  ip link set "$port" master lan0 up
  until (exec 3<>"/dev/tcp/${ADDRESS[$1]}/22") 2>/dev/null; do sleep 0.2; done
}

power_off() { # power_off NAME: kill its first process; the kernel kills the rest
  kill -KILL "${FIRST[$1]}"
  while [[ -d /proc/${FIRST[$1]} ]]; do sleep 0.1; done
}

on() { nsenter -t "${FIRST[$1]}" --net --mount --pid --uts "${@:2}"; }

laptop() {
  at_home laptop
  install -d -m 700 "$HOME/.ssh"
  ssh-keygen -q -t ed25519 -N '' -f "$HOME/.ssh/pbb_cluster"
  ssh-keygen -q -t ed25519 -N '' -f "$WORK/hostkey"
  ip link add lan0 type bridge
  ip link set lan0 up
  ip addr add $NET.254/24 dev lan0
  declare -gA FIRST
  for name in head worker-1 worker-2; do power_on "$name"; done
  export PATH=$VENV/bin:$PATH PYTHONPATH=$PROJECT
  cd "$PROJECT"
  source ${STEPS_FILE:-$STEPS}
}

case ${1:-outside} in
  outside) outside ;;
  laptop) laptop ;;
  machine) machine "$2" ;;
esac
