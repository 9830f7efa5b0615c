/*-------------------------------------------------------------------------
 *
 * forest.h
 *	  The model engine: reads model files, validates them in full, and scores
 *	  rows with the bits that the library which trained them would give.
 *
 * Nothing here needs a server: no header of PostgreSQL but c.h, no threads, no
 * global state but what the two functions _set() choose for batches.  Memory,
 * and the chance to be cancelled, come from the caller through MlopsForestEnv;
 * so a backend passes its memory contexts and CHECK_FOR_INTERRUPTS(), and a unit
 * test malloc().
 *
 * A forest is one block of memory that holds offsets instead of pointers: it
 * can be copied, and read by many processes at once.  It never changes after
 * mlops_forest_read() has returned it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef MLOPS_FOREST_H
#define MLOPS_FOREST_H

#include "c.h"

/* model file formats, recognised from the bytes */
typedef enum MlopsFormat
{
	MLOPS_FORMAT_UNKNOWN = 0,
	MLOPS_FORMAT_XGBOOST_JSON = 1,
	MLOPS_FORMAT_XGBOOST_UBJSON = 2,
	MLOPS_FORMAT_LIGHTGBM = 3
} MlopsFormat;

typedef enum MlopsTask
{
	MLOPS_TASK_REGRESSION = 1,
	MLOPS_TASK_BINARY = 2,
	MLOPS_TASK_MULTICLASS = 3,
	MLOPS_TASK_RANKING = 4
} MlopsTask;

typedef enum MlopsFeatureKind
{
	MLOPS_FEATURE_NUMERIC = 1,
	MLOPS_FEATURE_CATEGORICAL = 2
} MlopsFeatureKind;

/* why a model file was not accepted */
typedef enum MlopsForestErrorCode
{
	MLOPS_FOREST_OK = 0,
	MLOPS_FOREST_INVALID,		/* damaged, or not a model */
	MLOPS_FOREST_UNSUPPORTED,	/* a model that we do not score */
	MLOPS_FOREST_LIMIT,			/* beyond one of our limits */
	MLOPS_FOREST_NO_MEMORY
} MlopsForestErrorCode;

typedef struct MlopsForestError
{
	MlopsForestErrorCode code;
	size_t		offset;			/* byte in the file that the message is about */
	char		message[256];	/* what is wrong, lower case, no full stop */
	char		hint[256];		/* a sentence, or empty */
} MlopsForestError;

/*
 * What the engine asks of its host.  alloc may return NULL (then the read
 * fails with MLOPS_FOREST_NO_MEMORY) or not return at all (palloc); the same
 * holds for check, which is called often enough for a prompt cancel.  Memory
 * that is held when one of them does not return is the host's to drop.
 */
typedef struct MlopsForestEnv
{
	void	   *(*alloc) (void *arg, size_t size);
	void		(*release) (void *arg, void *chunk);
	void		(*check) (void *arg);
	void	   *arg;
} MlopsForestEnv;

typedef struct MlopsForest MlopsForest;

/* what is known of a model as a whole; strings point into the forest */
typedef struct MlopsForestInfo
{
	MlopsFormat format;
	MlopsTask	task;
	const char *objective;		/* as the file names it: "binary:logistic" */
	const char *booster;		/* "gbtree", "dart", "gblinear"; "gbdt", "rf" */
	int			library_version[3]; /* of the library that wrote the file; of
									 * LightGBM that of the format, -1, -1 */
	int			num_features;
	int			num_groups;		/* margins per row: 1, or one per class */
	int			num_outputs;	/* values after the transform */
	int			num_trees;
	int			num_rounds;
	int64		num_nodes;
	int			max_depth;
	bool		has_feature_names;
	int			num_targets;	/* labels that one row has; mostly 1 */
	int			best_round;		/* of early stopping, counted from 0; or -1 */
	bool		wide;			/* rows, margins and outputs are double */
} MlopsForestInfo;

extern MlopsFormat mlops_forest_format(const void *bytes, size_t len);
extern MlopsForest *mlops_forest_read(const void *bytes, size_t len,
									  const MlopsForestEnv *env,
									  MlopsForestError *error);

/*
 * A forest can be copied as it is: mlops_forest_size() bytes, to an address
 * aligned as by palloc.  mlops_forest_valid() tells a block that holds a forest
 * of this layout from one that holds something else; it does not look inside.
 */
extern size_t mlops_forest_size(const MlopsForest *forest);
extern bool mlops_forest_valid(const void *block, size_t size);
extern void mlops_forest_info(const MlopsForest *forest, MlopsForestInfo *info);

/* feature i: its name in the file, or NULL; its kind; is it used by a split? */
extern const char *mlops_forest_feature_name(const MlopsForest *forest, int feature);
extern MlopsFeatureKind mlops_forest_feature_kind(const MlopsForest *forest, int feature);
extern bool mlops_forest_feature_used(const MlopsForest *forest, int feature);

/*
 * The names of a feature's categories, by code from 0, where the file has them
 * (XGBoost 3.1 and later).
 */
extern int	mlops_forest_num_categories(const MlopsForest *forest, int feature);
extern const char *mlops_forest_category(const MlopsForest *forest, int feature, int code);

/*
 * Score one row, with all trees of the file: like XGBoost's own predict, and
 * unlike its scikit-learn wrapper, this does not stop at best_round.  row has
 * num_features values, NaN for a missing one and the code for a category;
 * scratch has mlops_forest_scratch_size() bytes, aligned as by palloc, and its
 * content does not matter; margins gets num_groups values.
 */
extern size_t mlops_forest_scratch_size(const MlopsForest *forest);
extern void mlops_forest_margin(const MlopsForest *forest, const float *row,
								void *scratch, float *margins);

/*
 * From margins to what the library's predict gives: probabilities, a class
 * number, a rate.  outputs gets num_outputs values and may be margins itself.
 */
extern void mlops_forest_transform(const MlopsForest *forest,
								   const float *margins, float *outputs);

/*
 * The same for a model that is wide, as those of LightGBM are: it reads,
 * compares and adds in double.  A forest has either the functions above or
 * these two.
 */
extern void mlops_forest_margin64(const MlopsForest *forest, const double *row,
								  void *scratch, double *margins);
extern void mlops_forest_transform64(const MlopsForest *forest,
									 const double *margins, double *outputs);

/*
 * Score many rows at once: num_rows rows of num_features values, one after the
 * other, into num_rows times num_groups margins; float, or double if the model
 * is wide.  The bits are those of one row at a time.  scratch has
 * mlops_forest_batch_scratch_size() bytes, aligned as by palloc, whatever the
 * number of rows.  A caller who can be cancelled passes some MLOPS_BATCH_ROWS
 * rows at a time; where the model is so large that they take long, the function
 * given to mlops_forest_check_set() is called now and then, and need not return.
 */
#define MLOPS_BATCH_ROWS	1024

extern size_t mlops_forest_batch_scratch_size(const MlopsForest *forest);
extern void mlops_forest_margin_batch(const MlopsForest *forest, const void *rows, int num_rows,
									  void *scratch, void *margins);
extern void mlops_forest_check_set(void (*check) (void));

/*
 * Instruction sets for that; what comes later is faster, and the bits are the
 * same.  The process begins with the best that the machine has.
 * mlops_forest_simd_set() is for tests and for users who must know; the set has
 * to be supported.  It may be called at any time, also between the call for the
 * size of scratch memory and the batch.
 */
typedef enum MlopsSimd
{
	MLOPS_SIMD_PLAIN,			/* what the compiler makes of C */
	MLOPS_SIMD_AVX2,
	MLOPS_SIMD_AVX512			/* F and BW */
} MlopsSimd;

#define MLOPS_NUM_SIMD	3

extern bool mlops_forest_simd_supported(MlopsSimd simd);
extern MlopsSimd mlops_forest_simd_best(void);
extern MlopsSimd mlops_forest_simd(void);
extern void mlops_forest_simd_set(MlopsSimd simd);

/*
 * The probability of each class from its margin, whatever the objective makes
 * of margins; outputs may be margins itself.
 */
extern void mlops_forest_softmax(const float *margins, int count, float *outputs);

#endif							/* MLOPS_FOREST_H */
