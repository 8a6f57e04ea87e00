"""From a drifting video to one fixed field of view: estimate the motion, then apply it."""
