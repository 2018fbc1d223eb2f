"""Chance that can be repeated: each test prints the seed that it used, OMNIDESK_TEST_SEED sets it."""

import os
import random


def chance() -> random.Random:
    seed = int(os.environ.get("OMNIDESK_TEST_SEED") or random.SystemRandom().randrange(10**6))
    print(f"seed: OMNIDESK_TEST_SEED={seed}")
    return random.Random(seed)
