/*-------------------------------------------------------------------------
 *
 * lightgbm_library.h
 *	  LightGBM's interface, as far as benchmarks use it, of a library that is
 *	  named at run time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LIGHTGBM_LIBRARY_H
#define LIGHTGBM_LIBRARY_H

#include <dlfcn.h>

#define TYPE_FLOAT32	0
#define TYPE_FLOAT64	1
#define TYPE_INT32		2
#define PREDICT_NORMAL	0
#define PREDICT_RAW		1
#define PREDICT_CONTRIB	3

typedef void *Handle;

static const char *(*last_error) (void);
static int	(*dataset_create) (const void *data, int type, int32_t rows, int32_t columns,
							   int row_major, const char *parameters, Handle reference, Handle *out);
static int	(*dataset_set_field) (Handle dataset, const char *name, const void *data, int count, int type);
static int	(*dataset_free) (Handle dataset);
static int	(*booster_create) (Handle dataset, const char *parameters, Handle *out);
static int	(*booster_update) (Handle booster, int *finished);
static int	(*booster_save) (Handle booster, int start, int count, int importance, int64_t room,
							 int64_t *len, char *out);
static int	(*booster_load) (const char *text, int *iterations, Handle *out);
static int	(*booster_free) (Handle booster);
static int	(*predict_batch) (Handle booster, const void *data, int type, int32_t rows, int32_t columns,
							  int row_major, int predict_type, int start, int count,
							  const char *parameters, int64_t *len, double *result);
static int	(*fast_init) (Handle booster, int predict_type, int start, int count, int type,
						  int32_t columns, const char *parameters, Handle *out);
static int	(*fast_predict) (Handle fast, const void *row, int64_t *len, double *result);
static int	(*fast_free) (Handle fast);

static const struct
{
	void	   *function;
	const char *name;
}			functions[] = {
	{&last_error, "LGBM_GetLastError"},
	{&dataset_create, "LGBM_DatasetCreateFromMat"},
	{&dataset_set_field, "LGBM_DatasetSetField"},
	{&dataset_free, "LGBM_DatasetFree"},
	{&booster_create, "LGBM_BoosterCreate"},
	{&booster_update, "LGBM_BoosterUpdateOneIter"},
	{&booster_save, "LGBM_BoosterSaveModelToString"},
	{&booster_load, "LGBM_BoosterLoadModelFromString"},
	{&booster_free, "LGBM_BoosterFree"},
	{&predict_batch, "LGBM_BoosterPredictForMat"},
	{&fast_init, "LGBM_BoosterPredictForMatSingleRowFastInit"},
	{&fast_predict, "LGBM_BoosterPredictForMatSingleRowFast"},
	{&fast_free, "LGBM_FastConfigFree"}
};

#define CHECK(call) \
	do { \
		if ((call) != 0) \
		{ \
			fprintf(stderr, "%s\n", last_error()); \
			exit(1); \
		} \
	} while (0)

/*
 * Open the library; the program ends if that is not one of LightGBM.
 */
static inline void
open_library(const char *path)
{
	void	   *library = dlopen(path, RTLD_NOW);

	if (library == NULL)
	{
		fprintf(stderr, "%s\n", dlerror());
		exit(2);
	}
	for (int i = 0; i < (int) lengthof(functions); i++)
	{
		void	   *function = dlsym(library, functions[i].name);

		if (function == NULL)
		{
			fprintf(stderr, "the library has no %s\n", functions[i].name);
			exit(2);
		}
		memcpy(functions[i].function, &function, sizeof(function));
	}
}

#endif							/* LIGHTGBM_LIBRARY_H */
