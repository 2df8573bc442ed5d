"""The RDB format: values as bytes, in dumps of single keys, in snapshots and on the way to replicas.

Everything here is a function from bytes to values or back: no files, no sockets, no configuration but the limits that
decide the form of a value.

- ``numbers``, ``strings``: lengths, counters and strings, of which all else is made;
- ``listpack``, ``intset``, ``ziplist``: the packed forms of small collections, and the forms before them;
- ``lzf``, ``crc64``: compression and checksum;
- ``streams``, ``reader``, ``writer``: values;
- ``payload``: what DUMP gives and RESTORE takes;
- ``records``: what stands in a file.

What is read may be broken or hostile. Every reader raises ``CorruptData`` for it, or ``Truncated`` where more bytes
might help, and none believes a length before the bytes are there.
"""
