/*-------------------------------------------------------------------------
 *
 * folds.c
 *	  Which fold of a cross-validation each row is in.
 *
 * Which fold that is depends on the rows and the seed alone, never on the
 * order in which the executor gives them:
 *
 * - by hash: a hash of a row's key, or of its content, says where it stands
 *	 between 0 and 1, and each fold has a stretch of the same length;
 * - by group: the largest group goes to the fold with the fewest rows, and so
 *	 on; groups of one size in the order of their hashes;
 * - stratified: the rows of each value, in the order of their hashes, are dealt
 *	 out to the folds in turn;
 * - by time: there is one stretch of rows more than folds, and the rows before
 *	 a fold are those that its model is trained with.  Rows of one time are
 *	 together.
 *
 * All memory is of the training set's context.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "errors.h"
#include "training/folds.h"
#include "training/matrix.h"
#include "training/split.h"

/* rows between two looks for interrupts */
#define ROWS_PER_CHECK	4096

/* what the column is called in errors */
static const char *const arguments[] = {
	[MLOPS_FOLD_GROUP] = "group_column",
	[MLOPS_FOLD_STRATIFY] = "stratify_column",
	[MLOPS_FOLD_TIME] = "time_column"
};

/*
 * Does the type order times, or numbers of periods?
 */
static bool
is_time(MlopsConversion conversion)
{
	switch (conversion)
	{
		case MLOPS_CONVERT_INT2:
		case MLOPS_CONVERT_INT4:
		case MLOPS_CONVERT_INT8:
		case MLOPS_CONVERT_DATE:
		case MLOPS_CONVERT_TIMESTAMP:
			return true;
		default:
			return false;
	}
}

/*
 * The query's columns are known: find ours, and the key's if keys are to be
 * kept.
 */
void
mlops_folds_begin(MlopsFolds *folds, TupleDesc tupdesc, int key)
{
	folds->context = CurrentMemoryContext;
	folds->number = -1;
	folds->key = key;
	if (folds->keep_keys)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, key);

		folds->key_type = getBaseType(attribute->atttypid);
		folds->key_len = attribute->attlen;
		folds->key_byval = attribute->attbyval;
	}
	for (int i = 0; folds->column != NULL && i < tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);
		bool		good;

		if (strcmp(NameStr(attribute->attname), folds->column) != 0)
			continue;
		folds->number = i;
		good = mlops_split_key_type(attribute->atttypid, &folds->conversion);
		if (folds->kind == MLOPS_FOLD_TIME)
			good = is_time(folds->conversion);
		if (!good)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" of type %s cannot be the %s",
							folds->column, format_type_be(attribute->atttypid), arguments[folds->kind]),
					 folds->kind == MLOPS_FOLD_TIME ?
					 errhint("Cast it in the query to a date, timestamp or integer type.") :
					 errhint("Cast it in the query to text, an integer type, numeric, date or uuid.")));
	}
	if (folds->column != NULL && folds->number < 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("%s \"%s\" is not a column of the query", arguments[folds->kind], folds->column)));
}

/*
 * A time as a number that is in its order.
 */
static uint64
time_value(MlopsConversion conversion, Datum value)
{
	int64		number;

	switch (conversion)
	{
		case MLOPS_CONVERT_INT2:
			number = DatumGetInt16(value);
			break;
		case MLOPS_CONVERT_INT4:
		case MLOPS_CONVERT_DATE:
			number = DatumGetInt32(value);
			break;
		default:
			number = DatumGetInt64(value);
			break;
	}
	return (uint64) number ^ ((uint64) 1 << 63);
}

/*
 * A row goes to the training part, with this hash of its key or content.
 */
void
mlops_folds_add(MlopsFolds *folds, const TupleTableSlot *slot, uint64 hash)
{
	MlopsFoldRow *row;

	if (folds->num_rows == folds->allocated)
	{
		folds->allocated = Max(folds->allocated * 2, 1024);
		if (folds->rows == NULL)
		{
			folds->rows = MemoryContextAllocHuge(folds->context, sizeof(MlopsFoldRow) * folds->allocated);
			if (folds->keep_keys)
				folds->keys = MemoryContextAllocHuge(folds->context, sizeof(Datum) * folds->allocated);
		}
		else
		{
			folds->rows = repalloc_huge(folds->rows, mul_size(sizeof(MlopsFoldRow), folds->allocated));
			if (folds->keep_keys)
				folds->keys = repalloc_huge(folds->keys, mul_size(sizeof(Datum), folds->allocated));
		}
	}
	row = &folds->rows[folds->num_rows];
	row->hash = hash;
	row->value = 0;
	if (folds->number >= 0)
	{
		Datum		value = slot->tts_values[folds->number];

		if (!slot->tts_isnull[folds->number])
			row->value = folds->kind == MLOPS_FOLD_TIME ? time_value(folds->conversion, value) :
				mlops_split_hash(folds->conversion, value, 0);
		else if (folds->kind != MLOPS_FOLD_STRATIFY)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("%s \"%s\" is NULL in a row", arguments[folds->kind], folds->column),
					 errhint("Leave such rows out in the query.")));
	}
	if (folds->keep_keys)
	{
		MemoryContext old = MemoryContextSwitchTo(folds->context);

		folds->keys[folds->num_rows] = datumCopy(slot->tts_values[folds->key],
												 folds->key_byval, folds->key_len);
		MemoryContextSwitchTo(old);
	}
	folds->num_rows++;
}

/* by value, then by hash */
static int
compare_rows(const void *a, const void *b, void *argument)
{
	const MlopsFoldRow *rows = argument;
	const MlopsFoldRow *left = &rows[*(const int64 *) a];
	const MlopsFoldRow *right = &rows[*(const int64 *) b];

	if (left->value != right->value)
		return left->value < right->value ? -1 : 1;
	return left->hash < right->hash ? -1 : left->hash > right->hash;
}

typedef struct Group
{
	uint64		value;
	int64		start;			/* in the order of the rows */
	int64		num_rows;
} Group;

/* the largest first */
static int
compare_groups(const void *a, const void *b, void *argument)
{
	const Group *left = a;
	const Group *right = b;

	if (left->num_rows != right->num_rows)
		return left->num_rows > right->num_rows ? -1 : 1;
	return left->value < right->value ? -1 : left->value > right->value;
}

/*
 * Error if the column has too few values to go round.
 */
static void
check_values(const MlopsFolds *folds, int64 num_values, int64 needed)
{
	if (num_values == 1)
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_TRAINING_DATA),
				 errmsg("%s \"%s\" has the same value in all rows", arguments[folds->kind], folds->column),
				 errdetail("Nothing would be left to train with.")));
	if (num_values < needed)
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_TRAINING_DATA),
				 errmsg("%s \"%s\" has " INT64_FORMAT " different values where %d folds need " INT64_FORMAT,
						arguments[folds->kind], folds->column, num_values, folds->count, needed),
				 errhint("Use fewer folds.")));
}

/*
 * Put the rows, which are sorted by value, into folds, value by value.
 */
static void
assign_by_value(MlopsFolds *folds, const int64 *sorted, uint8 *assigned)
{
	int64		num_rows = folds->num_rows;
	Group	   *groups = MemoryContextAllocHuge(folds->context, mul_size(sizeof(Group), num_rows));
	int64		num_groups = 0;
	int64		fill[MLOPS_FOLDS_MAX] = {0};
	int64		dealt = 0;

	for (int64 i = 0; i < num_rows; i++)
	{
		uint64		value = folds->rows[sorted[i]].value;

		if (num_groups == 0 || groups[num_groups - 1].value != value)
			groups[num_groups++] = (Group) {.value = value,.start = i};
		groups[num_groups - 1].num_rows++;
	}
	if (folds->kind == MLOPS_FOLD_GROUP)
	{
		check_values(folds, num_groups, folds->count);
		qsort_interruptible(groups, num_groups, sizeof(Group), compare_groups, NULL);
	}
	else if (folds->kind == MLOPS_FOLD_TIME)
		check_values(folds, num_groups, folds->count + 1);

	for (int64 i = 0; i < num_groups; i++)
	{
		const Group *group = &groups[i];
		int			fold = 0;

		if (i % ROWS_PER_CHECK == 0)
			CHECK_FOR_INTERRUPTS();
		if (folds->kind == MLOPS_FOLD_GROUP)
		{
			for (int j = 1; j < folds->count; j++)
			{
				if (fill[j] < fill[fold])
					fold = j;
			}
			fill[fold] += group->num_rows;
		}
		else if (folds->kind == MLOPS_FOLD_TIME)
			fold = (int) ((double) group->start * (folds->count + 1) / (double) num_rows);

		for (int64 j = group->start; j < group->start + group->num_rows; j++)
		{
			/* rows with one hash stay together: they may be one row twice */
			if (folds->kind == MLOPS_FOLD_STRATIFY)
			{
				if (j > 0 && (j == group->start ||
							  folds->rows[sorted[j]].hash != folds->rows[sorted[j - 1]].hash))
					dealt++;
				fold = (int) (dealt % folds->count);
			}
			assigned[sorted[j]] = (uint8) fold;
		}
	}
	pfree(groups);
}

/*
 * The fold of each row, in the order of the query.
 */
static uint8 *
assign(MlopsFolds *folds)
{
	uint8	   *assigned = MemoryContextAllocHuge(folds->context, folds->num_rows);
	int64	   *sorted;

	if (folds->kind == MLOPS_FOLD_HASH)
	{
		for (int64 i = 0; i < folds->num_rows; i++)
		{
			/* hashed again: where the hash itself stands says which rows are for testing */
			uint64		hash = hash_bytes_extended((unsigned char *) &folds->rows[i].hash,
												   sizeof(uint64), 0);

			assigned[i] = (uint8) (mlops_split_position(hash) * folds->count);
		}
		return assigned;
	}
	sorted = MemoryContextAllocHuge(folds->context, mul_size(sizeof(int64), folds->num_rows));
	for (int64 i = 0; i < folds->num_rows; i++)
		sorted[i] = i;
	qsort_interruptible(sorted, folds->num_rows, sizeof(int64), compare_rows, folds->rows);
	assign_by_value(folds, sorted, assigned);
	pfree(sorted);
	return assigned;
}

/*
 * Put folds and keys into the order that the training part's rows have now.
 */
static void
reorder(MlopsFolds *folds, const uint8 *assigned, const int64 *order)
{
	folds->folds = MemoryContextAllocHuge(folds->context, folds->num_rows);
	for (int64 i = 0; i < folds->num_rows; i++)
		folds->folds[i] = assigned[order[i]];
	if (folds->keep_keys)
	{
		Datum	   *keys = MemoryContextAllocHuge(folds->context, mul_size(sizeof(Datum), folds->num_rows));

		for (int64 i = 0; i < folds->num_rows; i++)
			keys[i] = folds->keys[order[i]];
		pfree(folds->keys);
		folds->keys = keys;
	}
}

/*
 * Gather the numbers of each fold's rows.  Error if a fold has none.
 */
static void
list_rows(MlopsFolds *folds)
{
	int			end = MlopsEndFold(folds);
	int64	   *next = palloc0(sizeof(int64) * end);

	folds->starts = palloc0(sizeof(int64) * (end + 1));
	folds->trained = palloc0(sizeof(int64) * end);
	folds->held_out = MemoryContextAllocHuge(folds->context, mul_size(sizeof(int64), folds->num_rows));
	for (int64 i = 0; i < folds->num_rows; i++)
		folds->starts[folds->folds[i] + 1]++;
	for (int fold = 0; fold < end; fold++)
	{
		int64		num_rows = folds->starts[fold + 1];

		if (num_rows == 0)
			ereport(ERROR,
					(errcode(ERRCODE_MLOPS_TRAINING_DATA),
					 errmsg("fold %d of %d has no rows", fold + 1 - MlopsFirstFold(folds), folds->count),
					 errdetail_plural("There is %lld row.", "There are %lld rows.",
									  (unsigned long) folds->num_rows, (long long) folds->num_rows),
					 errhint("Use fewer folds.")));
		folds->starts[fold + 1] += folds->starts[fold];
		next[fold] = folds->starts[fold];
		folds->trained[fold] = folds->kind == MLOPS_FOLD_TIME ? folds->starts[fold] :
			folds->num_rows - num_rows;
	}
	for (int64 i = 0; i < folds->num_rows; i++)
		folds->held_out[next[folds->folds[i]]++] = i;
	pfree(next);
}

/*
 * Error if the rows of a fold, or those that its model is trained with, are of
 * one class.
 */
static void
check_classes(const MlopsFolds *folds, const MlopsTrainingSet *set, const float *rows)
{
	int			num_classes = set->label->num_classes;
	int			end = MlopsEndFold(folds);
	Size		width = MlopsRowWidth(set);
	int64	   *counts = palloc0(mul_size(mul_size(sizeof(int64), end), num_classes));

	for (int64 i = 0; i < folds->num_rows; i++)
		counts[folds->folds[i] * num_classes + (int) rows[i * width + set->signature.num_features]]++;
	for (int fold = MlopsFirstFold(folds); fold < end; fold++)
	{
		for (int training = 0; training <= 1; training++)
		{
			int			found = 0;
			const char *class = NULL;

			for (int code = 0; code < num_classes; code++)
			{
				int64		count = 0;

				for (int other = 0; other < end; other++)
				{
					if (!training ? other == fold :
						folds->kind == MLOPS_FOLD_TIME ? other < fold : other != fold)
						count += counts[other * num_classes + code];
				}
				if (count > 0)
				{
					found++;
					class = set->label->classes[code].name;
				}
			}
			if (found == 1)
				ereport(ERROR,
						(errcode(ERRCODE_MLOPS_TRAINING_DATA),
						 errmsg(training ? "all rows that fold %d would be trained with are of class \"%s\"" :
								"all rows of fold %d are of class \"%s\"",
								fold + 1 - MlopsFirstFold(folds), class),
						 folds->kind == MLOPS_FOLD_HASH ?
						 errhint("Use fewer folds, or stratify_column with the label.") :
						 errhint("Use fewer folds.")));
		}
	}
	pfree(counts);
}

/*
 * Note which folds have which categories.
 */
static void
note_categories(MlopsFolds *folds, const MlopsTrainingSet *set, const float *rows)
{
	Size		width = MlopsRowWidth(set);

	folds->known = palloc0(sizeof(uint64 *) * set->signature.num_features);
	for (int i = 0; i < set->signature.num_features; i++)
	{
		const MlopsFeature *feature = &set->signature.features[i];

		if (feature->categories == NULL)
			continue;
		folds->known[i] = palloc0(mul_size(sizeof(uint64), Max(mlops_dictionary_size(feature->categories), 1)));
		for (int64 j = 0; j < folds->num_rows; j++)
		{
			float		code = rows[j * width + i];

			if (j % ROWS_PER_CHECK == 0)
				CHECK_FOR_INTERRUPTS();
			if (!isnan(code))
				folds->known[i][(int) code] |= (uint64) 1 << folds->folds[j];
		}
	}
}

/*
 * All rows were read and are in their final order: put them into folds.  Error
 * if something cannot be learnt or measured with these.
 */
void
mlops_folds_finish(MlopsFolds *folds, MlopsTrainingSet *set, const MlopsTrainOptions *options)
{
	uint8	   *assigned = assign(folds);
	const float *rows;

	reorder(folds, assigned, set->order);
	pfree(assigned);
	pfree(folds->rows);
	folds->rows = NULL;
	list_rows(folds);

	rows = mlops_memfile_map(set->parts[MLOPS_PART_TRAIN].file);
	if (set->label->num_classes > 0)
		check_classes(folds, set, rows);
	note_categories(folds, set, rows);

	folds->file = mlops_memfile_create("mlops folds");
	mlops_memfile_append(folds->file, folds->folds, folds->num_rows);
	(void) mlops_memfile_map(folds->file);
	mlops_memfile_seal(folds->file);
}

/*
 * Make missing, in a row of a fold, the categories that the rows which it is
 * trained with do not have: what a model that is scored with makes of values
 * that it has never seen.
 */
void
mlops_folds_forget(const MlopsFolds *folds, int fold, const MlopsTrainingSet *set, float *features)
{
	uint64		self = (uint64) 1 << fold;
	uint64		trained = folds->kind == MLOPS_FOLD_TIME ? self - 1 : ~self;

	for (int i = 0; i < set->signature.num_features; i++)
	{
		if (folds->known[i] != NULL && !isnan(features[i]) &&
			(folds->known[i][(int) features[i]] & trained) == 0)
			features[i] = get_float4_nan();
	}
}
