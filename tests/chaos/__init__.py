"""Chaos: Billy's real processes under every fault we know, with the sandbox as the judge.

`world` starts the processes, `weather` and `killer` break them, `bots` use the product meanwhile,
`build` is the test build of the product that kills itself at named points, and `judge` compares
what the processor's own ledger says with what Billy's tables say. Start at `__main__`.
"""
