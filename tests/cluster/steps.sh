# What a person does with a cluster, and what must be seen. Read by rehearse.sh, on the laptop.

say() { printf '\n== %s (%s s)\n' "$*" "$SECONDS"; }
shown() { printf '$ %s\n' "$*"; "$@"; }
fail() {
  echo "FAILED: $*" >&2
  tail -n 60 /mnt/runs/*/*.log >&2 || true
  exit 1
}
within() { # within SECONDS WHAT COMMAND...: wait until the command succeeds
  local until=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do ((SECONDS < until)) || fail "$what"; sleep 1; done
}
rays() { on "$1" pgrep -fc 'raylet|gcs_server|ray::|dashboard' || true; }
has_no_ray() { [[ $(rays "$1") == 0 ]]; }
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

say "what ray status says there"
shown ray exec "$WORK/cluster.yaml" 'RAY_AUTH_MODE=token ray status'

say "the tunnel, and a job without the token"
ray dashboard "$WORK/cluster.yaml" > "$WORK/tunnel.log" 2>&1 &
API=http://127.0.0.1:8265
code() { curl -s -o /dev/null -w '%{http_code}' "$@"; }
answers() { [[ $(code $API/api/version) == 401 ]]; }
within 60 "the dashboard answers through the tunnel" answers
job='{"entrypoint": "touch /mnt/broken-in"}'
refused=$(code -X POST -H 'Content-Type: application/json' -d "$job" $API/api/jobs/)
allowed=$(code -H "Authorization: Bearer $(cat ~/.ray/auth_token)" $API/api/version)
echo "a job without the token: $refused; the version, asked for with it: $allowed"
[[ $refused == 401 && $allowed == 200 ]] || fail "401 without the token, 200 with it"
! RAY_AUTH_MODE=disabled ray job submit --address $API --no-wait -- touch /mnt/broken-in > "$WORK/refused.log" 2>&1 ||
  fail "ray job submit went through without the token"
[[ ! -e /mnt/broken-in ]] || fail "the job without the token ran"

say "launch: the study travels with the job"
mkdir -p ~/my-study
cp tests/cluster/rehearsal.yaml ~/my-study/study.yaml
shown ray job submit --address $API --submission-id study --no-wait --working-dir ~/my-study -- \
  pbb-study launch study.yaml --root /mnt/runs

say "midway: kill a worker machine that is training"
trains() { on "$1" pgrep -f ray::RayTrainWorker >/dev/null; }
midway() { (($(stages) >= 6)) && { trains worker-1 || trains worker-2; }; }
within 300 "a third of the study, and a trainer on a worker" midway
if trains worker-1; then victim=worker-1; else victim=worker-2; fi
had=$(stages)
power_off "$victim"
echo "$had stages were done when $victim lost its power; now $(rays head) Ray processes on the head"

say "watch"
job_is() { [[ $(ray job status --address $API study 2>&1) == *"$1"* ]]; }
ended() { job_is succeeded || job_is failed; }
lost=$SECONDS
shown ray exec "$WORK/cluster.yaml" 'pbb-study status /mnt/runs/rehearsal'
within 420 "the study ends" ended
echo "ended $((SECONDS - lost)) s after the loss"
shown ray job logs --address $API study
job_is succeeded || fail "the study did not end well"

say "fetch the report"
shown ray rsync-down "$WORK/cluster.yaml" /mnt/runs/rehearsal/report.html ~/report.html
grep -q '<html' ~/report.html || fail "no report came"
ls -l ~/report.html

say "the same rows as one process without Ray writes"
pbb() { python -c 'from study.cli import main; main()' "$@"; }
pbb launch tests/cluster/rehearsal.yaml --root "$WORK/alone" --backend local --quiet
alone=("$WORK"/alone/rehearsal/items/*.parquet)
for file in "${alone[@]}"; do
  cmp "$file" "/mnt/runs/rehearsal/items/${file##*/}" || fail "other rows: ${file##*/}"
done
echo "${#alone[@]} files of item rows, equal byte for byte"

say "$victim is switched on again"
power_on "$victim"
within 240 "the machine joins again" has_nodes 3
echo "three nodes"

say "launch on the head"
shown ray exec "$WORK/cluster.yaml" 'pbb-study launch quickstart --smoke --root /mnt/runs --address auto --quiet'
[[ -s /mnt/runs/quickstart-smoke/report.html ]] || fail "no report of the launch on the head"

say "what fits nowhere is told"
sed 's/^resources:.*/resources: {gpus_per_worker: 1}/; s/^name:.*/name: unplaceable/; s/^data_seed:.*/data_seed: 9002/' tests/cluster/rehearsal.yaml > /mnt/unplaceable.yaml
! shown ray exec "$WORK/cluster.yaml" 'pbb-study launch /mnt/unplaceable.yaml --root /mnt/runs --address auto --quiet' ||
  fail "a study that fits nowhere was launched"

say "down"
shown ray down -y "$WORK/cluster.yaml"
down=$SECONDS
for name in head worker-1 worker-2; do
  within 150 "$name still runs Ray" has_no_ray "$name"
  echo "$name: nothing of Ray is left, $((SECONDS - down)) s after ray down"
done
say "rehearsed"
