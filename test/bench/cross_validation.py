# The peer of cross_validation.sh: xgboost.cv of rows that come from the server
# by COPY, or lie ready in memory.
#   cross_validation.py ROUNDS THREADS COLUMNS [FILE | -]
# Prints the seconds of loading and of the rest, those of the processor for both,
# the mean AUC, and the version.
import sys
import time

import numpy
import xgboost

rounds, threads, columns = (int(a) for a in sys.argv[1:4])
start, processor = time.perf_counter(), time.process_time()
if sys.argv[4] == "-":
    data = numpy.fromstring(sys.stdin.read(), dtype=numpy.float32, sep=" ").reshape(-1, columns + 1)
else:
    data = numpy.load(sys.argv[4])
    start, processor = time.perf_counter(), time.process_time()
matrix = xgboost.DMatrix(data[:, :columns], data[:, columns], nthread=threads)
loaded = time.perf_counter()
result = xgboost.cv({"objective": "binary:logistic", "tree_method": "hist", "max_depth": 6, "eta": 0.1,
                     "nthread": threads, "eval_metric": "auc"},
                    matrix, num_boost_round=rounds, nfold=5, seed=1, as_pandas=False)
print(loaded - start, time.perf_counter() - loaded, time.process_time() - processor, result["test-auc-mean"][-1], xgboost.__version__)
if sys.argv[4] == "-" and len(sys.argv) > 5:
    numpy.save(sys.argv[5], data)
