/*-------------------------------------------------------------------------
 *
 * feature.h
 *	  The features of a model: their signature, and from SQL values to the
 *	  numbers that a forest reads.
 *
 * Training and scoring convert by the same functions, so that a value means
 * the same number in both.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_FEATURE_H
#define MLOPS_FEATURE_H

#include "postgres.h"

#include "utils/jsonb.h"

/* how a value of an SQL type becomes a number */
typedef enum MlopsConversion
{
	MLOPS_CONVERT_NONE = 0,		/* no way to: not a type for features */
	MLOPS_CONVERT_BOOL,			/* 0 or 1 */
	MLOPS_CONVERT_INT2,
	MLOPS_CONVERT_INT4,
	MLOPS_CONVERT_INT8,
	MLOPS_CONVERT_FLOAT4,
	MLOPS_CONVERT_FLOAT8,
	MLOPS_CONVERT_NUMERIC,		/* through float8 */
	MLOPS_CONVERT_DATE,			/* days since 1970-01-01 */
	MLOPS_CONVERT_TIMESTAMP,	/* the same, with a fraction; timestamptz in UTC */
	MLOPS_CONVERT_TEXT,			/* category: text, varchar */
	MLOPS_CONVERT_BPCHAR,		/* category, without trailing blanks */
	MLOPS_CONVERT_NAME,			/* category */
	MLOPS_CONVERT_CHAR,			/* category: "char" */
	MLOPS_CONVERT_ENUM			/* category: the label */
} MlopsConversion;

#define MLOPS_NUM_CONVERSIONS			(MLOPS_CONVERT_ENUM + 1)

#define MlopsConversionIsCategory(c)	((c) >= MLOPS_CONVERT_TEXT)

/* the texts of a categorical feature; the code of a text is its position */
typedef struct MlopsDictionary MlopsDictionary;

typedef enum MlopsKind
{
	MLOPS_KIND_NUMERIC,
	MLOPS_KIND_BOOLEAN,
	MLOPS_KIND_CATEGORICAL
} MlopsKind;

typedef struct MlopsFeature
{
	char	   *name;
	char	   *type;			/* SQL type when the model was made, or NULL */
	MlopsKind	kind;
	MlopsDictionary *categories;	/* of a categorical feature, else NULL */
} MlopsFeature;

typedef struct MlopsSignature
{
	int			num_features;
	MlopsFeature *features;		/* in the order of the forest's features */
} MlopsSignature;

/* conversions; a domain converts as its base type */
extern MlopsConversion mlops_conversion(Oid type);
extern float mlops_convert_other(MlopsConversion conversion, Datum value);
extern double mlops_convert_other64(MlopsConversion conversion, Datum value);
extern const char *mlops_convert_category(MlopsConversion conversion, Datum value,
										  int *len);

/*
 * The number of a value that is not NULL and not a category.  What a processor
 * does in one instruction is in line, for loops over values of one type.
 */
static inline float
mlops_convert_number(MlopsConversion conversion, Datum value)
{
	switch (conversion)
	{
		case MLOPS_CONVERT_BOOL:
			return DatumGetBool(value) ? 1.0f : 0.0f;
		case MLOPS_CONVERT_INT2:
			return (float) DatumGetInt16(value);
		case MLOPS_CONVERT_INT4:
			return (float) DatumGetInt32(value);
		case MLOPS_CONVERT_INT8:
			return (float) DatumGetInt64(value);
		case MLOPS_CONVERT_FLOAT4:
			return DatumGetFloat4(value);
		case MLOPS_CONVERT_FLOAT8:
			return (float) DatumGetFloat8(value);
		default:
			return mlops_convert_other(conversion, value);
	}
}

/*
 * The same for a model that reads double.
 */
static inline double
mlops_convert_number64(MlopsConversion conversion, Datum value)
{
	switch (conversion)
	{
		case MLOPS_CONVERT_BOOL:
		case MLOPS_CONVERT_INT2:
		case MLOPS_CONVERT_FLOAT4:
			/* float32 has these exactly */
			return mlops_convert_number(conversion, value);
		case MLOPS_CONVERT_INT4:
			return (double) DatumGetInt32(value);
		case MLOPS_CONVERT_INT8:
			return (double) DatumGetInt64(value);
		case MLOPS_CONVERT_FLOAT8:
			return DatumGetFloat8(value);
		default:
			return mlops_convert_other64(conversion, value);
	}
}

/* dictionaries live in the context that was current at their creation */
extern MlopsDictionary *mlops_dictionary_create(void);
extern int	mlops_dictionary_size(const MlopsDictionary *dictionary);
extern int	mlops_dictionary_lookup(const MlopsDictionary *dictionary,
									const char *text, int len);	/* -1: unseen */
extern int	mlops_dictionary_add(MlopsDictionary *dictionary,
								 const char *text, int len);	/* old or new code */
extern const char *mlops_dictionary_text(const MlopsDictionary *dictionary,
										 int code, int *len);

/* a signature as the jsonb of mlops.version.signature, and back */
extern MlopsSignature *mlops_signature_from_jsonb(Jsonb *json);
extern Jsonb *mlops_signature_to_jsonb(const MlopsSignature *signature);

#endif							/* MLOPS_FEATURE_H */
