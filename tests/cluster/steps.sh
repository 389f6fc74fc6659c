# What a person does with a cluster, and what must be seen. Read by rehearse.sh, on the laptop.

say() { printf '\n== %s (%s s)\n' "$*" "$SECONDS"; }
shown() { printf '$ %s\n' "$*"; "$@"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
within() { # within SECONDS WHAT COMMAND...: wait until the command succeeds
  local until=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do ((SECONDS < until)) || fail "$what"; sleep 1; done
}
rays() { on "$1" pgrep -f 'raylet|gcs_server|ray::|dashboard' | wc -l; }
nodes() { on head env RAY_AUTH_MODE=token "$VENV/bin/python" -m tests.cluster.nodes; }
has_nodes() { [[ $(nodes 2>/dev/null) == "$1" ]]; }
stages() { ls -d /mnt/runs/stages/*/done 2>/dev/null | wc -l; }
has_stages() { (($(stages) >= $1)); }

say "the token, and the file with this cluster's addresses"
mkdir -p ~/.ray
python3 -c 'import secrets; print(secrets.token_hex(32))' > ~/.ray/auth_token
chmod 600 ~/.ray/auth_token
python -m tests.cluster.derive "${ADDRESS[head]}" "${ADDRESS[worker-1]},${ADDRESS[worker-2]}" "$VENV" > "$WORK/cluster.yaml"
export RAY_UP_enable_autoscaler_v2=0 RAY_AUTH_MODE=token

say "up"
shown ray up -y "$WORK/cluster.yaml"
within 180 "head and two workers" has_nodes 3
say "three nodes"
