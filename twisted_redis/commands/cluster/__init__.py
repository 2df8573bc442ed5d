"""The commands of a cluster: CLUSTER, READONLY, READWRITE and ASKING.

In a server without cluster mode all of them, including CLUSTER HELP, reply that cluster support is disabled.
"""
