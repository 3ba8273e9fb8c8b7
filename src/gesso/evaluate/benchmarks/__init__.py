"""The rules of published benchmarks: prompts, how answers are read, scores and upload files (no torch).

Each file restates one benchmark's rule. That it gives what the original code gave is shown by the parity
suite on the cases of kinds `llava/scorers` and `mgm/scorers`.
"""
