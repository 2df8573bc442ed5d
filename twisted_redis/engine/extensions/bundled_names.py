"""The names in the bundled modules.  tools/bundled_table.py writes this file."""

from __future__ import annotations

__all__ = ["NAMES"]

#: The name, Python module, version, ACL categories, names of types and names of commands of each.
NAMES: tuple[tuple[str, str, int, str, str, str], ...] = (
    (
        "ReJSON",
        "twisted_redis.modules.json",
        20803,
        "json",
        "ReJSON-RL",
        (
            "json.arrappend json.arrindex json.arrinsert json.arrlen json.arrpop json.arrtrim json.clear "
            "json.debug json.del json.forget json.get json.merge json.mget json.mset json.numincrby "
            "json.nummultby json.numpowby json.objkeys json.objlen json.resp json.set json.strappend json.strlen "
            "json.toggle json.type"
        ),
    ),
    (
        "bf",
        "twisted_redis.modules.probabilistic",
        20802,
        "bloom cuckoo cms topk tdigest",
        "CMSk-TYPE MBbloom-- MBbloomCF TDIS-TYPE TopK-TYPE",
        (
            "bf.add bf.card bf.debug bf.exists bf.info bf.insert bf.loadchunk bf.madd bf.mexists bf.reserve "
            "bf.scandump cf.add cf.addnx cf.compact cf.count cf.debug cf.del cf.exists cf.info cf.insert "
            "cf.insertnx cf.loadchunk cf.mexists cf.reserve cf.scandump cms.incrby cms.info cms.initbydim "
            "cms.initbyprob cms.merge cms.query tdigest.add tdigest.byrank tdigest.byrevrank tdigest.cdf "
            "tdigest.create tdigest.info tdigest.max tdigest.merge tdigest.min tdigest.quantile tdigest.rank "
            "tdigest.reset tdigest.revrank tdigest.trimmed_mean topk.add topk.count topk.incrby topk.info "
            "topk.list topk.query topk.reserve"
        ),
    ),
    (
        "timeseries",
        "twisted_redis.modules.timeseries",
        11202,
        "timeseries",
        "TSDB-TYPE",
        (
            "ts.add ts.alter ts.create ts.createrule ts.decrby ts.del ts.deleterule ts.get ts.incrby ts.info "
            "ts.madd ts.mget ts.mrange ts.mrevrange ts.queryindex ts.range ts.revrange"
        ),
    ),
)
