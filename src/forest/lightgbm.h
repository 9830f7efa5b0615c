/*-------------------------------------------------------------------------
 *
 * lightgbm.h
 *	  What the parts of the reader of LightGBM's files share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_FOREST_LIGHTGBM_H
#define MLOPS_FOREST_LIGHTGBM_H

#include "forest/wide_build.h"

/* a piece of the file */
typedef struct MlopsSpan
{
	const char *begin;
	const char *end;
} MlopsSpan;

/* a piece, or the begin of it, as an argument of "%.*s" in a message */
#define SPAN_ARGS(span)	((int) Min((span).end - (span).begin, 60)), (span).begin

/* keys before the first tree */
typedef enum MlopsLightgbmKey
{
	KEY_VERSION,
	KEY_NUM_CLASS,
	KEY_NUM_TREE_PER_ITERATION,
	KEY_LABEL_INDEX,
	KEY_MAX_FEATURE_IDX,
	KEY_OBJECTIVE,
	KEY_AVERAGE_OUTPUT,
	KEY_FEATURE_NAMES,
	KEY_MONOTONE_CONSTRAINTS,
	KEY_FEATURE_INFOS,
	KEY_TREE_SIZES,
	MLOPS_NUM_LIGHTGBM_KEYS
} MlopsLightgbmKey;

/* a file that is read, and what has been seen of it */
typedef struct MlopsLightgbm
{
	MlopsWideBuild *wide;
	MlopsSupport *support;
	const char *bytes;
	const char *end;
	const char *next;			/* where reading goes on */
	int			lines;			/* read, for the chances to cancel */
	bool		tells_linear;	/* trees say whether they are linear */
	MlopsSpan	header[MLOPS_NUM_LIGHTGBM_KEYS];	/* values; begin is NULL if absent */
	MlopsVector max_codes;		/* int32 per feature: largest category, or -1 */
	MlopsVector lists;			/* uint32 per list of categories: its end */
	MlopsSpan	categorical;	/* parameter categorical_feature, or NULL */
	MlopsSpan	pandas;			/* value of pandas_categorical, or NULL */
} MlopsLightgbm;

/* where a piece of the file stands */
#define mlops_lightgbm_offset(document, pointer) \
	((size_t) ((pointer) - (document)->bytes))

/* the document is damaged at this place */
#define bad_file(document, pointer, ...) \
	mlops_fail((document)->support, MLOPS_FOREST_INVALID, \
			   mlops_lightgbm_offset(document, pointer), NULL, __VA_ARGS__)

/* it has what we do not score */
#define unsupported_file(document, pointer, hint, ...) \
	mlops_fail((document)->support, MLOPS_FOREST_UNSUPPORTED, \
			   mlops_lightgbm_offset(document, pointer), hint, __VA_ARGS__)

/* it is beyond a limit */
#define large_file(document, pointer, ...) \
	mlops_fail((document)->support, MLOPS_FOREST_LIMIT, \
			   mlops_lightgbm_offset(document, pointer), NULL, __VA_ARGS__)

extern const char *const mlops_lightgbm_newer_hint;

/* lightgbm_text.c */
extern bool mlops_span_is(MlopsSpan span, const char *word);
extern bool mlops_span_begins(MlopsSpan span, const char *word);
extern void mlops_span_divide(MlopsSpan line, MlopsSpan *key, MlopsSpan *value);
extern bool mlops_span_word(MlopsSpan *list, MlopsSpan *word);
extern bool mlops_span_integer(MlopsSpan span, int64 low, int64 high, int64 *value);
extern bool mlops_span_double(MlopsSpan span, double *value);
extern bool mlops_span_sigmoid(MlopsSpan span, double *value);
extern bool mlops_lightgbm_line(MlopsLightgbm *document, const char *end, MlopsSpan *line);

/* lightgbm_tree.c */
extern bool mlops_lightgbm_tree(MlopsLightgbm *document, int64 size);

/* lightgbm_category.c */
extern bool mlops_lightgbm_categories(MlopsLightgbm *document);

#endif							/* MLOPS_FOREST_LIGHTGBM_H */
