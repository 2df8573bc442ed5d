"""The RDB format: values as bytes, in dumps of single keys, in snapshots and in the snapshots for replicas.

This package holds pure functions from bytes to values and back.  It knows no files and no sockets, and of the
configuration only the limits that decide the form of a value.

- ``numbers``, ``strings``: lengths, counters and strings, the elements of everything else;
- ``listpack``, ``intset``, ``ziplist``: the packed forms of small collections, present and former;
- ``lzf``, ``crc64``: compression and checksum;
- ``lists``, ``sets``, ``sorted_sets``, ``hashes``, ``streams``, ``own``: the codec of each type of values;
- ``codec``, ``table``: the parts of a codec, and the table of all codecs;
- ``payload``: what DUMP gives and RESTORE takes;
- ``records``: what stands in a file.

The bytes may be damaged or hostile.  A reader raises ``CorruptData`` for such bytes, or ``Truncated`` if more bytes
might help, and trusts no length before the bytes are there.
"""
