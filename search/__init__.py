"""From a pool of stored outputs to a front of cascades."""
