/*-------------------------------------------------------------------------
 *
 * matrix.c
 *	  From a query to the rows that a model is trained and tested with.
 *
 * The query runs by SPI with the rights, the search_path and the snapshot of
 * the caller, and cannot write: it has to be one SELECT, and the transaction
 * is read-only while it runs, so that no function in it can write either.
 * Its tuples come straight from the executor to a DestReceiver, become
 * float32 and go to memory files; they are neither copied nor collected.
 *
 * What becomes of a row does not depend on the order in which the executor
 * gives the rows, which parallel and synchronized scans change from run to
 * run:
 *
 * - a row's part is a hash of its key, or of its content where there is no
 *	 key, so that equal rows are on one side;
 * - categories are numbered in a fixed order, once all are known;
 * - the rows of a part are sorted by a hash of their content.
 *
 * So the same data and seed give the same matrix, bit for bit, and the
 * library the same model.
 *
 * For a quantised matrix, which is read in batches, the rows do not stay in
 * memory: they are sorted, and kept, in temporary files of the server, in no
 * more memory than maintenance_work_mem.
 *
 * The dictionary of a categorical feature has the values of training rows
 * only.  A value that appears in other parts alone is missing there, which is
 * what it would be when the model scores: the metrics of the test part must
 * not know more than that.
 *
 * The set and all it holds live in the memory context that is current at the
 * call of mlops_training_set_read.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"

#include "errors.h"
#include "guc.h"
#include "monitoring/profile.h"
#include "training/matrix.h"
#include "training/memory.h"
#include "training/query.h"
#include "training/snapshot_hash.h"
#include "training/row_spill.h"
#include "training/split.h"

/* most categories of a feature: the engine's own limit */
#define MAX_CATEGORIES			65536

/* most bytes of all categories together; a signature has to hold them */
#define MAX_CATEGORY_BYTES		(64 * 1024 * 1024)

/* rows between two looks for interrupts, in loops that do little for each */
#define ROWS_PER_CHECK			4096

/* a column of the query that is a feature */
typedef struct Column
{
	int			number;			/* in the tuple, from 0 */
	Oid			type;			/* not a domain */
	MlopsConversion conversion;

	/* of training rows: was there one, the first one's value, another value */
	bool		in_training;
	uint32		first;
	bool		varies;

	/* of a category, by code in order of appearance */
	MlopsDictionary *appeared;
	uint64	   *hashes;
	bool	   *trained;		/* seen in a training row */
	int			allocated;		/* entries of hashes and trained */
	float	   *recode;			/* the final code, or NaN */
} Column;

/* the hashes of a part's rows, in the order of the rows */
typedef struct Hashes
{
	uint64	   *values;
	int64		allocated;
} Hashes;

typedef struct Reader
{
	DestReceiver receiver;		/* must be first */
	const MlopsTrainOptions *options;
	MlopsTrainingSet *set;
	MemoryContext context;		/* of the set */
	MemoryContext row_context;	/* for what the conversion of a row needs */
	TupleDesc	tupdesc;		/* what columns were chosen from */
	Column	   *columns;		/* one for each feature */
	int			label;			/* numbers of columns in the tuple */
	int			key;			/* -1: none */
	int			part;			/* -1: by hash */
	MlopsConversion part_conversion;
	MlopsConversion key_conversion;
	Size		category_bytes;
	Size		bytes;			/* kept in memory for all rows */
	float	   *row;			/* the one being read */
	char	   *content;		/* what its hash is made of */
	Hashes		hashes[MLOPS_NUM_PARTS];
	MlopsRowSpill *spills[MLOPS_NUM_PARTS];	/* that sort the rows instead, or NULL */
} Reader;

/*
 * The names of the query's columns, for a hint.
 */
static char *
column_names(TupleDesc tupdesc)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < tupdesc->natts; i++)
		appendStringInfo(&names, "%s\"%s\"", i > 0 ? ", " : "",
						 NameStr(TupleDescAttr(tupdesc, i)->attname));
	return names.data;
}

/*
 * The number of a column that an argument names; error if there is none.
 */
static int
find_column(TupleDesc tupdesc, const char *name, const char *argument)
{
	for (int i = 0; i < tupdesc->natts; i++)
	{
		if (strcmp(NameStr(TupleDescAttr(tupdesc, i)->attname), name) == 0)
			return i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("%s \"%s\" is not a column of the query", argument, name),
			 tupdesc->natts > 0 ?
			 errhint("The query's columns are %s.", column_names(tupdesc)) :
			 errhint("The query has no columns.")));
}

/*
 * Error unless all columns have names of their own: features go by name.
 */
static void
check_names(TupleDesc tupdesc)
{
	for (int i = 0; i < tupdesc->natts; i++)
	{
		const char *name = NameStr(TupleDescAttr(tupdesc, i)->attname);

		if (name[0] == '\0')
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_NAME),
					 errmsg("column %d of the query has no name", i + 1),
					 errhint("Name it with AS.")));
		for (int j = 0; j < i; j++)
		{
			if (strcmp(NameStr(TupleDescAttr(tupdesc, j)->attname), name) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_COLUMN),
						 errmsg("columns %d and %d of the query are both named \"%s\"",
								j + 1, i + 1, name),
						 errhint("Give each a name of its own with AS.")));
		}
	}
}

/*
 * How a key of this column becomes text; error if its type can be none.
 */
static MlopsConversion
key_conversion(Form_pg_attribute attribute)
{
	MlopsConversion conversion;

	if (!mlops_split_key_type(attribute->atttypid, &conversion))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of type %s cannot be the key",
						NameStr(attribute->attname), format_type_be(attribute->atttypid)),
				 errhint("Cast it in the query to text, an integer type, numeric, date or uuid.")));
	return conversion;
}

/*
 * Make a column of the query a feature.
 */
static void
add_feature(Reader *reader, int number)
{
	Form_pg_attribute attribute = TupleDescAttr(reader->tupdesc, number);
	MlopsSignature *signature = &reader->set->signature;
	Column	   *column = &reader->columns[signature->num_features];
	MlopsFeature *feature = &signature->features[signature->num_features++];

	column->number = number;
	column->type = getBaseType(attribute->atttypid);
	column->conversion = mlops_conversion(column->type);
	if (column->conversion == MLOPS_CONVERT_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of type %s cannot be a feature",
						NameStr(attribute->attname), format_type_be(attribute->atttypid)),
				 errhint("Cast it in the query to a numeric, boolean, text, enum, date or timestamp type, or leave it out with the argument features.")));

	feature->name = pstrdup(NameStr(attribute->attname));
	feature->type = format_type_extended(column->type, -1,
										 column->type < FirstNormalObjectId ?
										 0 : FORMAT_TYPE_FORCE_QUALIFY);
	if (MlopsConversionIsCategory(column->conversion))
	{
		feature->kind = MLOPS_KIND_CATEGORICAL;
		column->appeared = mlops_dictionary_create();
		column->allocated = 16;
		column->hashes = palloc(sizeof(uint64) * column->allocated);
		column->trained = palloc(sizeof(bool) * column->allocated);
	}
	else
		feature->kind = column->conversion == MLOPS_CONVERT_BOOL ?
			MLOPS_KIND_BOOLEAN : MLOPS_KIND_NUMERIC;
}

/*
 * Choose the label, the key and the features among the query's columns.
 */
static void
choose_columns(Reader *reader)
{
	const MlopsTrainOptions *options = reader->options;
	TupleDesc	tupdesc = reader->tupdesc;
	MlopsSignature *signature = &reader->set->signature;
	bool	   *chosen = palloc0(sizeof(bool) * (tupdesc->natts + 1));
	ListCell   *cell;

	check_names(tupdesc);

	reader->label = find_column(tupdesc, options->label, "label");
	reader->set->label =
		mlops_label_create(options, options->label,
						   getBaseType(TupleDescAttr(tupdesc, reader->label)->atttypid));

	reader->key = -1;
	if (options->key != NULL)
	{
		reader->key = find_column(tupdesc, options->key, "key");
		reader->key_conversion = key_conversion(TupleDescAttr(tupdesc, reader->key));
		if (reader->key == reader->label)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("column \"%s\" cannot be both label and key", options->key)));
	}

	reader->part = -1;
	if (options->part != NULL)
	{
		reader->part = find_column(tupdesc, options->part, "column of the split");
		reader->part_conversion = mlops_conversion(TupleDescAttr(tupdesc, reader->part)->atttypid);
		if (!MlopsConversionIsCategory(reader->part_conversion) || reader->part == reader->label)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" cannot be that of the split", options->part),
					 errhint("It is a text or enum column, not the label, with train, validation, test or NULL.")));
	}

	if (options->folds != NULL)
		mlops_folds_begin(options->folds, tupdesc, reader->key);

	foreach(cell, options->features)
	{
		int			number = find_column(tupdesc, lfirst(cell), "feature");

		if (number == reader->part)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("column \"%s\" cannot be both that of the split and a feature", options->part)));
		if (number == reader->label)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("column \"%s\" cannot be both label and feature", options->label)));
		chosen[number] = true;
	}

	/* in the order of the query, so that the order of the names means nothing */
	signature->features = palloc0(sizeof(MlopsFeature) * (tupdesc->natts + 1));
	reader->columns = palloc0(sizeof(Column) * (tupdesc->natts + 1));
	for (int i = 0; i < tupdesc->natts; i++)
	{
		/* what says which customer or when is not what to learn from */
		if (options->all_features && options->folds != NULL && i == options->folds->number &&
			options->folds->kind != MLOPS_FOLD_STRATIFY)
			continue;
		if (options->all_features ? i != reader->label && i != reader->key && i != reader->part : chosen[i])
			add_feature(reader, i);
	}
	if (signature->num_features == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there are no features to train with"),
				 options->all_features ?
				 errdetail("The query has no columns but the label%s.",
						   options->key != NULL ? " and the key" : "") :
				 errdetail("The argument features is empty.")));
	pfree(chosen);

	reader->set->profile = mlops_profile_create();
	for (int i = 0; i < signature->num_features; i++)
		mlops_profile_add_column(reader->set->profile, signature->features[i].name,
								 MLOPS_ROLE_FEATURE, reader->columns[i].type,
								 reader->columns[i].number);
	mlops_profile_add_column(reader->set->profile, options->label, MLOPS_ROLE_LABEL,
							 reader->set->label->type, reader->label);
}

/*
 * The code of a category, in order of appearance.  It is within limits, and
 * the column's arrays have room for it.
 */
static int
category_code(Reader *reader, Column *column, const char *name, Datum value)
{
	int			len;
	const char *text = mlops_convert_category(column->conversion, value, &len);
	int			code = mlops_dictionary_lookup(column->appeared, text, len);

	if (code >= 0)
		return code;

	reader->category_bytes += len;
	if (mlops_dictionary_size(column->appeared) == MAX_CATEGORIES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("categorical feature \"%s\" has more than %d distinct values",
						name, MAX_CATEGORIES),
				 errhint("Leave the column out with the argument features, or group its values in the query.")));
	if (reader->category_bytes > MAX_CATEGORY_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the values of categorical features have more than %d bytes",
						MAX_CATEGORY_BYTES),
				 errdetail("Feature \"%s\" exceeded the limit.", name),
				 errhint("Leave columns of free text out with the argument features.")));

	code = mlops_dictionary_add(column->appeared, text, len);
	if (code == column->allocated)
	{
		column->allocated *= 2;
		column->hashes = repalloc(column->hashes, sizeof(uint64) * column->allocated);
		column->trained = repalloc(column->trained, sizeof(bool) * column->allocated);
	}
	column->hashes[code] = hash_bytes_extended((const unsigned char *) text, len, 0);
	column->trained[code] = false;
	return code;
}

/*
 * Read the features and the label of a tuple into reader->row, categories and
 * classes as numbers in order of appearance.  Returns the hash of the row's
 * content, which knows values and no such numbers.
 */
static uint64
read_row(Reader *reader, TupleTableSlot *slot)
{
	MlopsTrainingSet *set = reader->set;
	MlopsLabel *label = set->label;
	int			num_features = set->signature.num_features;
	float	   *row = reader->row;
	char	   *content = reader->content;
	float		number;

	for (int i = 0; i < num_features; i++)
	{
		Column	   *column = &reader->columns[i];
		Datum		value = slot->tts_values[column->number];
		bool		isnull = slot->tts_isnull[column->number];

		if (column->appeared != NULL)
		{
			uint64		hash = 0;

			number = get_float4_nan();
			if (!isnull)
			{
				int			code = category_code(reader, column,
												 set->signature.features[i].name, value);

				hash = column->hashes[code];
				number = (float) code;
			}
			row[i] = number;
			memcpy(content, &hash, sizeof(hash));
			content += sizeof(hash);
			continue;
		}

		number = isnull ? get_float4_nan() : mlops_convert_number(column->conversion, value);
		if (isinf(number))
			ereport(ERROR,
					(errcode(ERRCODE_MLOPS_TRAINING_DATA),
					 errmsg("feature \"%s\" has a value that is infinite or too large",
							set->signature.features[i].name),
					 errdetail("Features are kept as 32-bit floating point, up to about 3.4e38 in size."),
					 errhint("Replace such values in the query; NULL is a missing value.")));
		/* one NaN and one zero, whatever the bits that came */
		if (isnan(number))
			number = get_float4_nan();
		if (number == 0)
			number = 0;
		row[i] = number;
		memcpy(content, &number, sizeof(number));
		content += sizeof(number);
	}

	number = mlops_label_read(label, slot->tts_values[reader->label]);
	row[num_features] = number;
	row[num_features + 1] = 1;
	if (label->by_class)
	{
		int			len;
		const char *text = mlops_dictionary_text(label->appeared, (int) number, &len);
		uint64		hash = hash_bytes_extended((const unsigned char *) text, len, 0);

		memcpy(content, &hash, sizeof(hash));
		content += sizeof(hash);
	}
	else
	{
		memcpy(content, &number, sizeof(number));
		content += sizeof(number);
	}

	return hash_bytes_extended((const unsigned char *) reader->content,
							   content - reader->content,
							   (uint64) reader->options->seed);
}

/*
 * The part that a hash belongs to.  The test part comes first and training
 * last, so that a row of the test part stays in it when a validation part is
 * added.
 */
static MlopsPart
part_of_hash(const MlopsTrainOptions *options, uint64 hash)
{
	double		position = mlops_split_position(hash);

	if (position < options->test_share)
		return MLOPS_PART_TEST;
	if (position < options->test_share + options->validation_share)
		return MLOPS_PART_VALIDATION;
	return MLOPS_PART_TRAIN;
}

/*
 * The part that the column of the split has.  False if it has none, so that
 * the row is in no part, which is a gap of a split by time.
 */
static bool
part_of_column(const Reader *reader, const TupleTableSlot *slot, MlopsPart *part)
{
	static const char *const names[MLOPS_NUM_PARTS] = {
		[MLOPS_PART_TRAIN] = "train",
		[MLOPS_PART_VALIDATION] = "validation",
		[MLOPS_PART_TEST] = "test"
	};
	const char *text;
	int			len;

	if (slot->tts_isnull[reader->part])
		return false;
	text = mlops_convert_category(reader->part_conversion, slot->tts_values[reader->part], &len);
	for (int i = 0; i < MLOPS_NUM_PARTS; i++)
	{
		if ((int) strlen(names[i]) == len && memcmp(names[i], text, len) == 0)
		{
			*part = i;
			return true;
		}
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("column \"%s\" of the split has \"%.*s\"", reader->options->part, len, text),
			 errhint("It has to have train, validation, test or NULL.")));
}

/*
 * Is a row of the training part with this hash of its key or content left out
 * by the sample?  It depends on nothing but that and the seed, and not on the
 * part.
 */
static bool
is_left_out(const MlopsTrainOptions *options, uint64 hash)
{
	uint64		other = hash_bytes_extended((const unsigned char *) &hash, sizeof(hash), ~(uint64) options->seed);

	return mlops_split_position(other) >= options->sample;
}

/*
 * Remember the hash of the next row of a part.
 */
static void
add_hash(Reader *reader, MlopsPart part, uint64 hash)
{
	Hashes	   *hashes = &reader->hashes[part];
	int64		num_rows = reader->set->parts[part].num_rows;

	if (num_rows == hashes->allocated)
	{
		hashes->allocated = Max(hashes->allocated * 2, 1024);
		if (hashes->values == NULL)
			hashes->values = MemoryContextAllocHuge(reader->context,
													sizeof(uint64) * hashes->allocated);
		else
			hashes->values = repalloc_huge(hashes->values,
										   mul_size(sizeof(uint64), hashes->allocated));
	}
	hashes->values[num_rows] = hash;
}

/*
 * Note which values training rows have.
 */
static void
note_training_row(Reader *reader)
{
	for (int i = 0; i < reader->set->signature.num_features; i++)
	{
		Column	   *column = &reader->columns[i];
		uint32		bits;

		memcpy(&bits, &reader->row[i], sizeof(bits));
		if (!column->in_training)
			column->first = bits;
		else if (bits != column->first)
			column->varies = true;
		column->in_training = true;
		if (column->appeared != NULL && !isnan(reader->row[i]))
			column->trained[(int) reader->row[i]] = true;
	}
}

/*
 * DestReceiver: a tuple of the query.
 */
static bool
receive_tuple(TupleTableSlot *slot, DestReceiver *self)
{
	Reader	   *reader = (Reader *) self;
	const MlopsTrainOptions *options = reader->options;
	MlopsTrainingSet *set = reader->set;
	Size		row_size = MlopsRowWidth(set) * sizeof(float);
	MemoryContext old;
	uint64		content;
	uint64		hash;
	MlopsPart	part = MLOPS_PART_TRAIN;
	bool		left_out;

	slot_getallattrs(slot);
	if (++set->rows_read % ROWS_PER_CHECK == 0)
		mlops_progress_done(reader->options->progress, set->rows_read);
	if (slot->tts_isnull[reader->label])
	{
		set->rows_without_label++;
		return true;
	}
	if (reader->part >= 0 && !part_of_column(reader, slot, &part))
	{
		set->rows_without_part++;
		return true;
	}

	old = MemoryContextSwitchTo(reader->row_context);
	hash = content = read_row(reader, slot);
	if (reader->key >= 0 && (reader->part < 0 || options->folds != NULL))
	{
		if (slot->tts_isnull[reader->key])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("key \"%s\" is NULL in a row", options->key),
					 errhint("A row without a key belongs to no part: leave it out in the query.")));
		hash = mlops_split_hash(reader->key_conversion, slot->tts_values[reader->key], options->seed);
	}
	if (reader->part < 0)
		part = part_of_hash(options, hash);
	left_out = part == MLOPS_PART_TRAIN && options->sample > 0 &&
		is_left_out(options, reader->key >= 0 && !slot->tts_isnull[reader->key] ?
					mlops_split_hash(reader->key_conversion, slot->tts_values[reader->key],
									 options->seed) : content);
	MemoryContextSwitchTo(old);
	MemoryContextReset(reader->row_context);
	if (left_out)
	{
		set->rows_left_out++;
		return true;
	}

	/* the training process has to map all but the test part, and to copy it */
	if (reader->spills[part] == NULL)
		reader->bytes += row_size + sizeof(content);
	else if (part != MLOPS_PART_TEST)
		reader->bytes += mlops_training_row_bytes(reader->options, set->signature.num_features);
	if (options->folds != NULL)
		reader->bytes += MLOPS_FOLD_ROW_BYTES;
	if (reader->bytes / 1024 > (Size) mlops_train_memory_limit)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("training data exceeds mlops.train_memory_limit (%d kB)",
						mlops_train_memory_limit),
				 errdetail("The limit was reached after " INT64_FORMAT " rows of %d features.",
						   set->rows_read, set->signature.num_features),
				 errhint("Train with fewer rows or columns, or have the limit raised.")));

	mlops_label_count(set->label, reader->row[set->signature.num_features], part);
	if (part == MLOPS_PART_TRAIN)
	{
		if (options->folds != NULL)
			mlops_folds_add(options->folds, slot, hash);
		note_training_row(reader);
		if (!options->no_profile)
			mlops_profile_add_row(set->profile, slot->tts_values, slot->tts_isnull);
	}
	if (reader->spills[part] != NULL)
		mlops_row_spill_add(reader->spills[part], content, reader->row);
	else
	{
		add_hash(reader, part, content);
		mlops_memfile_append(set->parts[part].file, reader->row, row_size);
	}
	set->parts[part].num_rows++;
	return true;
}

/*
 * DestReceiver: the executor starts.  The columns were chosen when the query
 * was prepared; something may have changed the query's tables since.
 */
static void
receive_startup(DestReceiver *self, int operation, TupleDesc tupdesc)
{
	Reader	   *reader = (Reader *) self;
	bool		same = tupdesc->natts == reader->tupdesc->natts;

	for (int i = 0; same && i < tupdesc->natts; i++)
	{
		Form_pg_attribute now = TupleDescAttr(tupdesc, i);
		Form_pg_attribute then = TupleDescAttr(reader->tupdesc, i);

		same = now->atttypid == then->atttypid &&
			strcmp(NameStr(now->attname), NameStr(then->attname)) == 0;
	}
	if (!same)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the columns of the query changed while it was prepared")));
}

static void
receive_nothing(DestReceiver *self)
{
}

/*
 * Run the query and read all of its rows.
 */
static void
run_query(Reader *reader)
{
	const MlopsTrainOptions *options = reader->options;
	MlopsTrainingSet *set = reader->set;
	SPIExecuteOptions execute = {.read_only = true,.dest = &reader->receiver};
	SPIPlanPtr	plan;
	CachedPlanSource *source;
	MemoryContext spi_context;
	int			result;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	plan = mlops_query_prepare(options->query, "the query to train from", CURSOR_OPT_PARALLEL_OK);
	source = linitial(SPI_plan_get_plan_sources(plan));

	spi_context = MemoryContextSwitchTo(reader->context);
	reader->tupdesc = CreateTupleDescCopy(source->resultDesc);
	choose_columns(reader);
	set->constraints = mlops_options_constraints(options, &set->signature);
	reader->row = palloc(MlopsRowWidth(set) * sizeof(float));
	reader->content = palloc(MlopsRowWidth(set) * sizeof(uint64));
	for (int part = 0; part < MLOPS_NUM_PARTS; part++)
	{
		if (part == MLOPS_PART_TRAIN || reader->part >= 0 ||
			(part == MLOPS_PART_TEST && options->test_share > 0) ||
			(part == MLOPS_PART_VALIDATION && options->validation_share > 0))
		{
			set->parts[part].file = options->quantile ? mlops_memfile_create_on_disk() :
				mlops_memfile_create("mlops training data");
			if (options->quantile)
				reader->spills[part] = mlops_row_spill_create(MlopsRowWidth(set) * sizeof(float),
														  maintenance_work_mem / MLOPS_NUM_PARTS);
		}
	}
	MemoryContextSwitchTo(spi_context);

	set->relations = mlops_query_relations(plan, reader->context);
	mlops_training_memory_check(plan, options, &set->signature);
	result = SPI_execute_plan_extended(plan, &execute);
	if (result != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_plan_extended failed: %s", SPI_result_code_string(result));
	SPI_finish();
}

/*
 * Error if a part that is needed has no rows.
 */
static void
check_parts(const Reader *reader)
{
	const MlopsTrainOptions *options = reader->options;
	MlopsTrainingSet *set = reader->set;
	static const char *const names[] = {"training", "validation", "test"};

	if (set->rows_read == 0)
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_TRAINING_DATA),
				 errmsg("the query to train from returned no rows")));
	if (set->rows_read == set->rows_without_label)
		ereport(ERROR,
				(errcode(ERRCODE_MLOPS_TRAINING_DATA),
				 errmsg("label \"%s\" is NULL in all rows", options->label),
				 errdetail_plural("The query returned %lld row.", "The query returned %lld rows.",
								  (unsigned long) set->rows_read, (long long) set->rows_read)));
	/* a column need not have all parts */
	for (int part = MLOPS_PART_VALIDATION; reader->part >= 0 && part < MLOPS_NUM_PARTS; part++)
	{
		if (set->parts[part].num_rows == 0 &&
			!(part == MLOPS_PART_VALIDATION && options->early_stopping_rounds > 0))
		{
			mlops_memfile_close(set->parts[part].file);
			set->parts[part].file = NULL;
		}
	}
	for (int part = 0; part < MLOPS_NUM_PARTS; part++)
	{
		if (set->parts[part].file != NULL && set->parts[part].num_rows == 0)
			ereport(ERROR,
					(errcode(ERRCODE_MLOPS_TRAINING_DATA),
					 errmsg("the %s part has no rows", names[part]),
					 errdetail("All rows with a label, " INT64_FORMAT " of them, are in other parts.",
							   set->rows_read - set->rows_without_label - set->rows_without_part),
					 reader->part >= 0 ? 0 : reader->key < 0 ?
					 errhint("Equal rows stay together: with few distinct rows, pass a key, or other shares in split.") :
					 errhint("Rows with one key stay together: with few keys, pass other shares in split, or another seed.")));
	}
}

/*
 * Number the categories that training rows have, in their final order.
 */
static void
finish_features(Reader *reader)
{
	MlopsTrainingSet *set = reader->set;

	for (int i = 0; i < set->signature.num_features; i++)
	{
		Column	   *column = &reader->columns[i];
		MlopsFeature *feature = &set->signature.features[i];
		int		   *order;
		int			size;

		if (!column->varies)
			set->constant_features = lappend(set->constant_features, feature->name);
		if (column->appeared == NULL)
			continue;

		size = mlops_dictionary_size(column->appeared);
		order = mlops_sorted_codes(column->appeared, column->conversion, column->type);
		feature->categories = mlops_dictionary_create();
		column->recode = palloc(mul_size(sizeof(float), Max(size, 1)));
		for (int j = 0; j < size; j++)
		{
			const char *text;
			int			len;

			column->recode[order[j]] = get_float4_nan();
			if (!column->trained[order[j]])
				continue;
			text = mlops_dictionary_text(column->appeared, order[j], &len);
			column->recode[order[j]] = (float) mlops_dictionary_add(feature->categories, text, len);
		}
		pfree(order);
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * Put the final codes and weights into the rows of a part.
 */
static void
recode_rows(Reader *reader, float *rows, int64 num_rows)
{
	MlopsTrainingSet *set = reader->set;
	const MlopsLabel *label = set->label;
	int			num_features = set->signature.num_features;
	Size		width = MlopsRowWidth(set);

	for (int64 i = 0; i < num_rows; i++)
	{
		float	   *row = rows + i * width;

		if (i % ROWS_PER_CHECK == 0)
			CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < num_features; j++)
		{
			const float *recode = reader->columns[j].recode;

			if (recode != NULL && !isnan(row[j]))
				row[j] = recode[(int) row[j]];
		}
		if (label->recode != NULL)
		{
			int			code = label->recode[(int) row[num_features]];

			row[num_features] = (float) code;
			row[num_features + 1] = (float) label->classes[code].weight;
		}
	}
}

/* a row to be sorted */
typedef struct SortedRow
{
	uint64		hash;
	int64		number;			/* of the row, before it is moved */
} SortedRow;

typedef struct SortArgument
{
	const float *rows;
	Size		width;
} SortArgument;

/*
 * By hash; rows that differ in spite of it by their bytes.  Rows that do not
 * differ at all may be in any order.
 */
static int
compare_rows(const void *a, const void *b, void *argument)
{
	const SortedRow *left = a;
	const SortedRow *right = b;
	const SortArgument *sort = argument;

	if (left->hash != right->hash)
		return left->hash < right->hash ? -1 : 1;
	return memcmp(sort->rows + left->number * sort->width,
				  sort->rows + right->number * sort->width,
				  sort->width * sizeof(float));
}

/*
 * Sort the rows of a part in place.
 */
static void
sort_rows(Reader *reader, MlopsPart part, float *rows)
{
	int64		num_rows = reader->set->parts[part].num_rows;
	const uint64 *hashes = reader->hashes[part].values;
	SortArgument sort = {rows, MlopsRowWidth(reader->set)};
	Size		row_size = sort.width * sizeof(float);
	SortedRow  *sorted = MemoryContextAllocHuge(CurrentMemoryContext,
												mul_size(sizeof(SortedRow), num_rows));
	float	   *spare = palloc(row_size);
	int64		moves = 0;

	for (int64 i = 0; i < num_rows; i++)
	{
		sorted[i].hash = hashes[i];
		sorted[i].number = i;
	}
	qsort_interruptible(sorted, num_rows, sizeof(SortedRow), compare_rows, &sort);
	if (reader->options->folds != NULL && part == MLOPS_PART_TRAIN)
	{
		reader->set->order = MemoryContextAllocHuge(CurrentMemoryContext,
													mul_size(sizeof(int64), num_rows));
		for (int64 i = 0; i < num_rows; i++)
			reader->set->order[i] = sorted[i].number;
	}

	/* row i gets the content of row sorted[i].number: follow each cycle once */
	for (int64 start = 0; start < num_rows; start++)
	{
		int64		to = start;

		if (sorted[start].number == start)
			continue;
		memcpy(spare, rows + start * sort.width, row_size);
		while (sorted[to].number != start)
		{
			int64		from = sorted[to].number;

			memcpy(rows + to * sort.width, rows + from * sort.width, row_size);
			sorted[to].number = to;
			to = from;
			if (++moves % ROWS_PER_CHECK == 0)
				CHECK_FOR_INTERRUPTS();
		}
		memcpy(rows + to * sort.width, spare, row_size);
		sorted[to].number = to;
	}
	pfree(sorted);
	pfree(spare);
}

/*
 * Hash the rows of a part as they are trained or tested with.
 */
static void
hash_rows(MlopsBlake2b *state, const float *rows, int64 num_rows, Size row_size)
{
	mlops_blake2b_update(state, &num_rows, sizeof(num_rows));
	for (int64 done = 0; done < num_rows; done += ROWS_PER_CHECK)
	{
		CHECK_FOR_INTERRUPTS();
		mlops_blake2b_update(state, (const char *) rows + done * row_size,
							 Min(ROWS_PER_CHECK, num_rows - done) * row_size);
	}
}

/*
 * A hash in hexadecimal digits.
 */
static char *
finish_hash(MlopsBlake2b *state)
{
	uint8		hash[MLOPS_CONTENT_BYTES];
	char	   *hex = palloc(2 * MLOPS_CONTENT_BYTES + 1);

	mlops_blake2b_final(state, hash);
	for (int i = 0; i < MLOPS_CONTENT_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	return hex;
}

/*
 * Write the rows of a part that were sorted on the side into its file, as they
 * are trained or tested with, and hash them so.
 */
static void
write_sorted(Reader *reader, MlopsPart part, MlopsBlake2b *hash)
{
	MlopsTrainingSet *set = reader->set;
	MlopsRows  *rows = &set->parts[part];
	Size		row_size = MlopsRowWidth(set) * sizeof(float);

	mlops_blake2b_update(hash, &rows->num_rows, sizeof(rows->num_rows));
	mlops_row_spill_sort(reader->spills[part]);
	for (int64 i = 0; mlops_row_spill_next(reader->spills[part], reader->row); i++)
	{
		if (i % ROWS_PER_CHECK == 0)
			CHECK_FOR_INTERRUPTS();
		recode_rows(reader, reader->row, 1);
		mlops_blake2b_update(hash, reader->row, row_size);
		mlops_memfile_append(rows->file, reader->row, row_size);
	}
	mlops_row_spill_end(reader->spills[part]);
}

/*
 * Run the query of a training and give its rows, split, in memory files, or
 * for a quantised matrix in temporary ones.
 */
MlopsTrainingSet *
mlops_training_set_read(const MlopsTrainOptions *options)
{
	MlopsTrainingSet *set = palloc0(sizeof(MlopsTrainingSet));
	Reader	   *reader = palloc0(sizeof(Reader));
	MlopsBlake2b hash;
	bool		save_read_only = XactReadOnly;

	reader->receiver.receiveSlot = receive_tuple;
	reader->receiver.rStartup = receive_startup;
	reader->receiver.rShutdown = receive_nothing;
	reader->receiver.rDestroy = receive_nothing;
	reader->receiver.mydest = DestTuplestore;	/* SPI knows none of ours */
	reader->options = options;
	reader->set = set;
	reader->context = CurrentMemoryContext;
	reader->row_context = AllocSetContextCreate(CurrentMemoryContext, "mlops row",
												ALLOCSET_SMALL_SIZES);

	XactReadOnly = true;
	PG_TRY();
	{
		run_query(reader);
	}
	PG_FINALLY();
	{
		XactReadOnly = save_read_only;
	}
	PG_END_TRY();

	check_parts(reader);
	mlops_label_finish(set->label, options);
	finish_features(reader);
	mlops_blake2b_init(&hash, MLOPS_CONTENT_BYTES);
	for (int part = 0; part < MLOPS_NUM_PARTS; part++)
	{
		float	   *rows;

		if (set->parts[part].file == NULL)
			continue;
		if (reader->spills[part] != NULL)
		{
			write_sorted(reader, part, &hash);
			mlops_memfile_seal(set->parts[part].file);
			continue;
		}
		rows = mlops_memfile_map(set->parts[part].file);
		recode_rows(reader, rows, set->parts[part].num_rows);
		sort_rows(reader, part, rows);
		hash_rows(&hash, rows, set->parts[part].num_rows, MlopsRowWidth(set) * sizeof(float));
		if (part != MLOPS_PART_TEST)
			mlops_memfile_seal(set->parts[part].file);
		pfree(reader->hashes[part].values);
	}
	set->data_hash = finish_hash(&hash);
	if (options->folds != NULL)
		mlops_folds_finish(options->folds, set, options);
	return set;
}
