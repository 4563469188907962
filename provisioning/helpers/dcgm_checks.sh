# shellcheck shell=bash
# needs: helpers/host.sh helpers/checks.sh helpers/gpu_checks.sh
# EXPECT_DCGM: what NVIDIA's DCGM finds wrong with the GPUs of a node. Level 1 takes seconds and is supported on every GPU; the
# next ones take 2 and 15 minutes: https://docs.nvidia.com/datacenter/dcgm/latest/reference/command-line-reference/dcgmi/dcgmi-diag.html

readonly DCGM_SERVICE=nvidia-dcgm.service
readonly DCGM_SECONDS_MAX=180

# A line for each result that failed, its test first, and at the end how many passed. NVIDIA documents no form of the answer,
# so each part of it may be missing.
readonly DCGM_READER='
import json, sys

text = sys.stdin.read()
tests = [
    test
    for part in json.loads(text[text.index("{") : text.rindex("}") + 1]).values() if isinstance(part, dict)
    for category in part.get("test_categories", [])
    for test in category.get("tests", [])
]
results = [(test, result) for test in tests for result in test.get("results", [])]
for test, result in results:
    if result.get("status") == "Fail":
        reason = (result.get("warnings") or [""])[0]
        reason = reason.get("warning", "") if isinstance(reason, dict) else reason
        print(test["name"], "on GPU", result.get("entity_id", result.get("gpu_id", "")), "-", reason)
print(sum(result.get("status") == "Pass" for _, result in results))
'

check_dcgm() { # its daemon watches nothing here, and is stopped again where it did not run
  local was_active
  if ! command -v dcgmi >/dev/null; then
    verdict fail DCGM_MISSING 'the image has no DCGM: it needs image.dcgm'
  elif ((GPU_COUNT == 0)); then
    verdict fail DCGM_NO_GPU 'no GPU answers that could be examined'
  else
    was_active=$(systemctl is-active "$DCGM_SERVICE" || true)
    systemctl start "$DCGM_SERVICE" || log "$DCGM_SERVICE cannot be started"
    judge_diagnosis
    [[ $was_active == active ]] || systemctl stop "$DCGM_SERVICE" || true
  fi
}

judge_diagnosis() {
  local answer lines=() rc=0
  answer=$(timeout "$DCGM_SECONDS_MAX" dcgmi diag --run 1 --json 2>&1) || rc=$?
  mapfile -t lines < <(python -c "$DCGM_READER" <<<"$answer" 2>/dev/null || true)
  if [[ ${#lines[@]} -gt 1 ]]; then
    VERDICT_DATA=$(printf '{"level":1,"failedTest":%s}' "$(json_string "${lines[0]%% *}")")
    verdict fail DCGM_FAILED "$(printf '%s; ' "${lines[@]:0:${#lines[@]}-1}")"
  elif [[ ${lines[0]:-0} == 0 || $rc -ne 0 ]]; then
    verdict fail DCGM_BROKEN "dcgmi ended with $rc and no verdict: $answer"
  else
    VERDICT_DATA=$(printf '{"level":1,"passed":%d}' "${lines[0]}")
    verdict pass '' ''
  fi
}
