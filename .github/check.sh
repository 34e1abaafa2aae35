#!/usr/bin/env bash
# The step of action.yml. Arguments come by the environment, so that nothing in them is taken for a command.
set -euo pipefail

mapfile -t paths < <(printf '%s\n' "$PATHS" | sed '/^[[:space:]]*$/d')
options=(--model "$MODEL" --report "$OUTPUT" --junit "$OUTPUT/screentest.xml" --sarif "$OUTPUT/screentest.sarif")
[ -z "$RATIO" ] || options+=(--ratio "$RATIO")

status=0
"$SCREENTEST" check "${options[@]}" -- "${paths[@]}" || status=$?
rejected=false
! grep -q '<failure ' "$OUTPUT/screentest.xml" 2>/dev/null || rejected=true
echo "rejected=$rejected" >>"${GITHUB_OUTPUT:-/dev/null}"
if [ "$status" = 1 ] && [ "$ALLOW" = true ]; then
  status=0
fi
exit "$status"
