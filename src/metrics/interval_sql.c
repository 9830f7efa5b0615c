/*-------------------------------------------------------------------------
 *
 * interval_sql.c
 *	  Intervals as functions and aggregates: share_difference, share_ratio,
 *	  and the bootstrap of a report.
 *
 * The bootstrap works on a sample of bounded size, whatever the number of
 * rows: of all distinct pairs of actual and predicted value those with the
 * smallest hashes, each with the number of its rows.  Which pairs these are
 * depends on the pairs and the seed alone, so that any order and any split
 * of the rows gives the same sample.  All of it lives in the aggregate's
 * memory context.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "libpq/pqformat.h"
#include "utils/array.h"
#include "utils/float.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "metrics/aggregate.h"
#include "metrics/interval.h"

/* distinct pairs in the sample; twice as many are kept before some are dropped */
#define SAMPLE_PAIRS		8192

#define MAX_REPLICATES		10000

typedef struct Pair
{
	double		actual;
	double		predicted;
} Pair;

/* an entry of the table of pairs */
typedef struct PairCount
{
	Pair		pair;			/* the key, first */
	uint64		hash;
	int64		count;
} PairCount;

typedef struct Sample
{
	MemoryContext context;
	int64		num_rows;		/* in the sample or not */
	double		threshold;		/* of decisions, NaN for a regression */
	int			replicates;
	int64		seed;
	uint64		limit;			/* pairs with a larger hash are dropped */
	HTAB	   *pairs;
} Sample;

PG_FUNCTION_INFO_V1(mlops_share_difference_interval);
PG_FUNCTION_INFO_V1(mlops_share_ratio_interval);
PG_FUNCTION_INFO_V1(mlops_interval_quantile);
PG_FUNCTION_INFO_V1(mlops_bootstrap_add);
PG_FUNCTION_INFO_V1(mlops_bootstrap_combine);
PG_FUNCTION_INFO_V1(mlops_bootstrap_serialize);
PG_FUNCTION_INFO_V1(mlops_bootstrap_deserialize);
PG_FUNCTION_INFO_V1(mlops_bootstrap_final);

/*
 * Two shares
 */

/*
 * The share in arguments argno and argno + 1.  Error 22023 if there are more
 * successes than rows.
 */
static MlopsShare
share_args(FunctionCallInfo fcinfo, int argno)
{
	int64		successes = PG_GETARG_INT64(argno);
	int64		n = PG_GETARG_INT64(argno + 1);
	MlopsShare	result = {(double) successes, (double) n};

	if (successes < 0 || successes > n)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of successes must be between 0 and n"),
				 errdetail("It is %lld, and n is %lld.", (long long) successes, (long long) n)));
	return result;
}

/*
 * A function of two shares and a level as mlops.estimate; NULL where it is
 * not defined.
 */
static Datum
shares_result(FunctionCallInfo fcinfo, MlopsInterval (*compare) (MlopsShare a, MlopsShare b, double z))
{
	double		z = mlops_normal_quantile(mlops_level_arg(fcinfo, 4));
	MlopsInterval interval = compare(share_args(fcinfo, 0), share_args(fcinfo, 2), z);
	Datum		values[3];
	bool		nulls[3] = {false};

	if (isnan(interval.value))
		PG_RETURN_NULL();
	values[0] = Float8GetDatum(interval.value);
	values[1] = Float8GetDatum(interval.lower);
	values[2] = Float8GetDatum(interval.upper);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(mlops_row_tupdesc(fcinfo), values, nulls)));
}

Datum
mlops_share_difference_interval(PG_FUNCTION_ARGS)
{
	return shares_result(fcinfo, mlops_share_difference);
}

Datum
mlops_share_ratio_interval(PG_FUNCTION_ARGS)
{
	return shares_result(fcinfo, mlops_share_ratio);
}

/*
 * SQL: how many standard errors an interval of a level reaches to each side.
 */
Datum
mlops_interval_quantile(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(mlops_normal_quantile(mlops_level_arg(fcinfo, 0)));
}

/*
 * The sample
 */

static uint64
hash_pair(const Pair *pair, int64 seed)
{
	uint64		state = (uint64) seed;
	uint64		bits;

	memcpy(&bits, &pair->actual, sizeof(bits));
	state = mlops_random_next(&state) ^ bits;
	memcpy(&bits, &pair->predicted, sizeof(bits));
	state = mlops_random_next(&state) ^ bits;
	return mlops_random_next(&state);
}

static Sample *
new_sample(MemoryContext context, double threshold, int replicates, int64 seed)
{
	Sample	   *sample = MemoryContextAllocZero(context, sizeof(Sample));
	HASHCTL		ctl;

	sample->context = context;
	sample->threshold = threshold;
	sample->replicates = replicates;
	sample->seed = seed;
	sample->limit = PG_UINT64_MAX;
	ctl.keysize = sizeof(Pair);
	ctl.entrysize = sizeof(PairCount);
	ctl.hcxt = context;
	sample->pairs = hash_create("mlops bootstrap sample", 64, &ctl,
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return sample;
}

static int
compare_hashes(const void *a, const void *b)
{
	uint64		x = *(const uint64 *) a;
	uint64		y = *(const uint64 *) b;

	return x < y ? -1 : x > y;
}

/*
 * Drop the pairs whose hash is beyond the limit.
 */
static void
drop_beyond_limit(Sample *sample)
{
	HASH_SEQ_STATUS scan;
	PairCount  *entry;

	hash_seq_init(&scan, sample->pairs);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (entry->hash > sample->limit)
			hash_search(sample->pairs, &entry->pair, HASH_REMOVE, NULL);
	}
}

/*
 * Keep no more than SAMPLE_PAIRS pairs.
 */
static void
shrink(Sample *sample)
{
	long		num_pairs = hash_get_num_entries(sample->pairs);
	uint64	   *hashes;
	HASH_SEQ_STATUS scan;
	PairCount  *entry;
	long		i = 0;

	if (num_pairs <= SAMPLE_PAIRS)
		return;
	hashes = palloc(sizeof(uint64) * num_pairs);
	hash_seq_init(&scan, sample->pairs);
	while ((entry = hash_seq_search(&scan)) != NULL)
		hashes[i++] = entry->hash;
	qsort(hashes, num_pairs, sizeof(uint64), compare_hashes);
	sample->limit = hashes[SAMPLE_PAIRS - 1];
	pfree(hashes);
	drop_beyond_limit(sample);
}

/*
 * Add rows with the same values.
 */
static void
add_pair(Sample *sample, Pair pair, int64 count)
{
	uint64		hash;
	PairCount  *entry;
	bool		found;

	/* zero has two forms, and equal values must have equal bits */
	if (pair.actual == 0)
		pair.actual = 0;
	if (pair.predicted == 0)
		pair.predicted = 0;

	hash = hash_pair(&pair, sample->seed);
	if (hash > sample->limit)
		return;
	entry = hash_search(sample->pairs, &pair, HASH_ENTER, &found);
	if (!found)
	{
		entry->hash = hash;
		entry->count = 0;
	}
	entry->count += count;
	if (!found && hash_get_num_entries(sample->pairs) > 2 * SAMPLE_PAIRS)
		shrink(sample);
}

/*
 * Add one row (state, actual, predicted, threshold, replicates, seed), whose
 * last three arguments are the same in all rows; the threshold is NULL for a
 * regression.  Values that are not finite are skipped.
 */
Datum
mlops_bootstrap_add(PG_FUNCTION_ARGS)
{
	MemoryContext context = mlops_aggregate_context(fcinfo);
	Sample	   *sample;
	Pair		pair;

	if (PG_ARGISNULL(0))
	{
		int			replicates;

		mlops_require_arg(fcinfo, 4, "number of replicates");
		mlops_require_arg(fcinfo, 5, "seed");
		replicates = PG_GETARG_INT32(4);
		if (replicates < 2 || replicates > MAX_REPLICATES)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("number of replicates must be between 2 and %d", MAX_REPLICATES)));
		sample = new_sample(context, PG_ARGISNULL(3) ? get_float8_nan() : PG_GETARG_FLOAT8(3),
							replicates, PG_GETARG_INT64(5));
	}
	else
		sample = (Sample *) PG_GETARG_POINTER(0);

	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_POINTER(sample);
	pair.actual = PG_GETARG_FLOAT8(1);
	pair.predicted = PG_GETARG_FLOAT8(2);
	if (!isfinite(pair.actual) || !isfinite(pair.predicted))
		PG_RETURN_POINTER(sample);
	sample->num_rows++;
	add_pair(sample, pair, 1);
	PG_RETURN_POINTER(sample);
}

/*
 * Add the pairs of the second state to the first.
 */
Datum
mlops_bootstrap_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = mlops_aggregate_context(fcinfo);
	Sample	   *sample = PG_ARGISNULL(0) ? NULL : (Sample *) PG_GETARG_POINTER(0);
	Sample	   *other = PG_ARGISNULL(1) ? NULL : (Sample *) PG_GETARG_POINTER(1);

	if (other != NULL)
	{
		HASH_SEQ_STATUS scan;
		PairCount  *entry;

		if (sample == NULL)
			sample = new_sample(context, other->threshold, other->replicates, other->seed);
		if (other->limit < sample->limit)
		{
			sample->limit = other->limit;
			drop_beyond_limit(sample);
		}
		sample->num_rows += other->num_rows;
		hash_seq_init(&scan, other->pairs);
		while ((entry = hash_seq_search(&scan)) != NULL)
			add_pair(sample, entry->pair, entry->count);
	}
	if (sample == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(sample);
}

Datum
mlops_bootstrap_serialize(PG_FUNCTION_ARGS)
{
	Sample	   *sample = (Sample *) PG_GETARG_POINTER(0);
	StringInfoData buf;
	HASH_SEQ_STATUS scan;
	PairCount  *entry;

	(void) mlops_aggregate_context(fcinfo);
	mlops_state_begin(&buf, 64 + hash_get_num_entries(sample->pairs) * sizeof(PairCount));
	pq_sendint64(&buf, sample->num_rows);
	pq_sendfloat8(&buf, sample->threshold);
	pq_sendint32(&buf, sample->replicates);
	pq_sendint64(&buf, sample->seed);
	pq_sendint64(&buf, sample->limit);
	pq_sendint64(&buf, hash_get_num_entries(sample->pairs));
	hash_seq_init(&scan, sample->pairs);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		pq_sendfloat8(&buf, entry->pair.actual);
		pq_sendfloat8(&buf, entry->pair.predicted);
		pq_sendint64(&buf, entry->count);
	}
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

Datum
mlops_bootstrap_deserialize(PG_FUNCTION_ARGS)
{
	StringInfoData buf;
	Sample	   *sample;
	int64		num_rows;
	double		threshold;
	int			replicates;
	int64		seed;
	int64		num_pairs;

	(void) mlops_aggregate_context(fcinfo);
	mlops_state_open(&buf, PG_GETARG_BYTEA_PP(0));
	num_rows = mlops_state_recv_count(&buf);
	threshold = pq_getmsgfloat8(&buf);
	replicates = pq_getmsgint(&buf, sizeof(int32));
	seed = pq_getmsgint64(&buf);
	sample = new_sample(CurrentMemoryContext, threshold, replicates, seed);
	sample->num_rows = num_rows;
	sample->limit = (uint64) pq_getmsgint64(&buf);
	num_pairs = mlops_state_recv_count(&buf);
	for (int64 i = 0; i < num_pairs; i++)
	{
		Pair		pair;

		pair.actual = pq_getmsgfloat8(&buf);
		pair.predicted = pq_getmsgfloat8(&buf);
		add_pair(sample, pair, mlops_state_recv_count(&buf));
	}
	pq_getmsgend(&buf);
	PG_RETURN_POINTER(sample);
}

/*
 * An array: rows, rows in the sample, and the standard error of each measure
 * for all rows.  NULL without rows.
 */
Datum
mlops_bootstrap_final(PG_FUNCTION_ARGS)
{
	Sample	   *sample;
	MlopsWeighted *rows;
	long		num_pairs;
	long		i = 0;
	int			num_errors;
	double		errors[MLOPS_RESAMPLED_BINARY];
	Datum		values[MLOPS_RESAMPLED_BINARY + 2];
	bool		nulls[MLOPS_RESAMPLED_BINARY + 2] = {false};
	int			dims[1];
	int			lower_bounds[1] = {1};
	double		sampled = 0;
	HASH_SEQ_STATUS scan;
	PairCount  *entry;

	(void) mlops_aggregate_context(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	sample = (Sample *) PG_GETARG_POINTER(0);
	if (sample->num_rows == 0)
		PG_RETURN_NULL();

	/* the state stays as it is: what is beyond the sample is left out here */
	num_pairs = hash_get_num_entries(sample->pairs);
	rows = palloc(sizeof(MlopsWeighted) * num_pairs);
	{
		uint64		limit = sample->limit;
		uint64	   *hashes = palloc(sizeof(uint64) * num_pairs);

		hash_seq_init(&scan, sample->pairs);
		while ((entry = hash_seq_search(&scan)) != NULL)
			hashes[i++] = entry->hash;
		qsort(hashes, num_pairs, sizeof(uint64), compare_hashes);
		if (num_pairs > SAMPLE_PAIRS)
			limit = hashes[SAMPLE_PAIRS - 1];
		pfree(hashes);

		i = 0;
		hash_seq_init(&scan, sample->pairs);
		while ((entry = hash_seq_search(&scan)) != NULL)
		{
			if (entry->hash > limit)
				continue;
			rows[i].actual = entry->pair.actual;
			rows[i].predicted = entry->pair.predicted;
			rows[i].count = entry->count;
			sampled += (double) entry->count;
			i++;
		}
	}
	qsort(rows, i, sizeof(MlopsWeighted), mlops_weighted_compare);

	if (isnan(sample->threshold))
	{
		num_errors = MLOPS_RESAMPLED_REGRESSION;
		mlops_bootstrap_regression(rows, i, sample->replicates, (uint64) sample->seed,
								   errors, mlops_check_interrupts);
	}
	else
	{
		num_errors = MLOPS_RESAMPLED_BINARY;
		mlops_bootstrap_binary(rows, i, sample->threshold, sample->replicates, (uint64) sample->seed,
							   errors, mlops_check_interrupts);
	}

	values[0] = Float8GetDatum((double) sample->num_rows);
	values[1] = Float8GetDatum(sampled);
	for (int j = 0; j < num_errors; j++)
	{
		/* the error of a sample of m rows is sqrt(n / m) times that of n rows */
		values[j + 2] = Float8GetDatum(errors[j] * sqrt(sampled / (double) sample->num_rows));
		nulls[j + 2] = isnan(errors[j]);
	}
	dims[0] = num_errors + 2;
	PG_RETURN_ARRAYTYPE_P(construct_md_array(values, nulls, 1, dims, lower_bounds, FLOAT8OID,
											 sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}
