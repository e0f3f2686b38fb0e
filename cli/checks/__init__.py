"""What `keben doctor` looks at, each module a part of the installation. Nothing here changes anything on disk.

finding    one outcome, and how a check becomes outcomes
machine    Python, packages, settings, disk, memory, the programs that readers call
bases      knowledge bases and rebuilds
models     embedder, reranker, language model
service    keys, address and port
"""
