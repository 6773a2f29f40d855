"""Pure: plan the steps of a rollout and advance it on events."""
