/*-------------------------------------------------------------------------
 *
 * transform.c
 *	  Objectives: from base scores to margins, and from margins to outputs.
 *
 * Every expression has the operations, their order and their precision as
 * XGBoost has them, and calls the C library where XGBoost calls it; so on one
 * machine the results are the same bits.  Between machines a probability may
 * differ in its last bit, as expf() may; a margin cannot.
 *
 * A few objectives changed over the years.  What counts is the version that
 * wrote the file.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>

#include "forest/forest_internal.h"

static const MlopsObjective objectives[] = {
	{"reg:squarederror", MLOPS_TASK_REGRESSION, MLOPS_LINK_IDENTITY, MLOPS_TRANSFORM_IDENTITY},
	{"reg:linear", MLOPS_TASK_REGRESSION, MLOPS_LINK_IDENTITY, MLOPS_TRANSFORM_IDENTITY},
	{"reg:squaredlogerror", MLOPS_TASK_REGRESSION, MLOPS_LINK_IDENTITY, MLOPS_TRANSFORM_IDENTITY},
	{"reg:pseudohubererror", MLOPS_TASK_REGRESSION, MLOPS_LINK_IDENTITY, MLOPS_TRANSFORM_IDENTITY},
	{"reg:absoluteerror", MLOPS_TASK_REGRESSION, MLOPS_LINK_IDENTITY, MLOPS_TRANSFORM_IDENTITY},
	{"reg:quantileerror", MLOPS_TASK_REGRESSION, MLOPS_LINK_IDENTITY, MLOPS_TRANSFORM_IDENTITY},
	{"reg:expectileerror", MLOPS_TASK_REGRESSION, MLOPS_LINK_GAPS, MLOPS_TRANSFORM_CUMULATE},
	{"reg:logistic", MLOPS_TASK_REGRESSION, MLOPS_LINK_LOGIT, MLOPS_TRANSFORM_SIGMOID},
	{"reg:gamma", MLOPS_TASK_REGRESSION, MLOPS_LINK_LOG, MLOPS_TRANSFORM_EXP},
	{"reg:tweedie", MLOPS_TASK_REGRESSION, MLOPS_LINK_LOG, MLOPS_TRANSFORM_EXP},
	{"count:poisson", MLOPS_TASK_REGRESSION, MLOPS_LINK_LOG, MLOPS_TRANSFORM_EXP},
	{"survival:cox", MLOPS_TASK_REGRESSION, MLOPS_LINK_LOG, MLOPS_TRANSFORM_EXP},
	{"survival:aft", MLOPS_TASK_REGRESSION, MLOPS_LINK_LOG, MLOPS_TRANSFORM_EXP_DOUBLE},
	{"binary:logistic", MLOPS_TASK_BINARY, MLOPS_LINK_LOGIT, MLOPS_TRANSFORM_SIGMOID},
	{"binary:logitraw", MLOPS_TASK_BINARY, MLOPS_LINK_IDENTITY, MLOPS_TRANSFORM_IDENTITY},
	{"binary:hinge", MLOPS_TASK_BINARY, MLOPS_LINK_IDENTITY, MLOPS_TRANSFORM_STEP},
	{"multi:softmax", MLOPS_TASK_MULTICLASS, MLOPS_LINK_IDENTITY, MLOPS_TRANSFORM_ARGMAX},
	{"multi:softprob", MLOPS_TASK_MULTICLASS, MLOPS_LINK_IDENTITY, MLOPS_TRANSFORM_SOFTMAX},
	{"rank:pairwise", MLOPS_TASK_RANKING, MLOPS_LINK_IDENTITY, MLOPS_TRANSFORM_IDENTITY},
	{"rank:ndcg", MLOPS_TASK_RANKING, MLOPS_LINK_IDENTITY, MLOPS_TRANSFORM_IDENTITY},
	{"rank:map", MLOPS_TASK_RANKING, MLOPS_LINK_IDENTITY, MLOPS_TRANSFORM_IDENTITY}
};

/* the smallest step that XGBoost tells from none: its kRtEps */
#define SMALL_STEP	1e-6f

/*
 * The objective of this name, or NULL.
 */
const MlopsObjective *
mlops_objective_find(const char *name, size_t len)
{
	for (int i = 0; i < (int) lengthof(objectives); i++)
	{
		if (strlen(objectives[i].name) == len &&
			memcmp(objectives[i].name, name, len) == 0)
			return &objectives[i];
	}
	return NULL;
}

/* was the file written by this version or a later one? */
static bool
since(const int *version, int major, int minor, int patch)
{
	if (version[0] != major)
		return version[0] > major;
	if (version[1] != minor)
		return version[1] > minor;
	return version[2] >= patch;
}

/*
 * Did the library that wrote the file add a base margin after the trees,
 * instead of starting from it?
 */
bool
mlops_version_base_last(const int *version)
{
	return !since(version, 1, 3, 0);
}

/*
 * Did that library let categories which lie beyond the set of a split take the
 * default direction, as missing values do, instead of going left?
 */
bool
mlops_version_unseen_default(const int *version)
{
	return since(version, 1, 6, 0) && !since(version, 1, 7, 3);
}

/*
 * The transform of an objective in a file of this version.
 */
MlopsTransform
mlops_objective_transform(const MlopsObjective *objective, const int *version)
{
	if (strcmp(objective->name, "reg:quantileerror") == 0 && since(version, 3, 4, 0))
		return MLOPS_TRANSFORM_SORT;
	return objective->transform;
}

/*
 * Base scores, which are outputs, to margins, in place.  False if one of them
 * has no margin.
 */
bool
mlops_objective_margins(const MlopsObjective *objective, const int *version,
						float *values, int count)
{
	MlopsLink	link = objective->link;

	if (strcmp(objective->name, "binary:logitraw") == 0 && !since(version, 1, 3, 1))
		link = MLOPS_LINK_LOGIT;

	switch (link)
	{
		case MLOPS_LINK_IDENTITY:
			break;
		case MLOPS_LINK_LOGIT:
			for (int i = 0; i < count; i++)
			{
				float		p = values[i];

				if (since(version, 3, 2, 0))
				{
					if (!(p >= 0.0f && p <= 1.0f))
						return false;
					p = Max(p, SMALL_STEP);
					p = Min(p, 1.0f - SMALL_STEP);
				}
				else if (!(p > 0.0f && p < 1.0f))
					return false;
				values[i] = -logf(1.0f / p - 1.0f);
			}
			break;
		case MLOPS_LINK_LOG:
			for (int i = 0; i < count; i++)
				values[i] = logf(values[i]);
			break;
		case MLOPS_LINK_GAPS:
			for (int i = count - 1; i > 0; i--)
			{
				float		gap = values[i] - values[i - 1] - SMALL_STEP;

				gap = Max(gap, SMALL_STEP);
				values[i] = gap + logf(-expm1f(-gap));
			}
			break;
	}
	for (int i = 0; i < count; i++)
	{
		if (!isfinite(values[i]))
			return false;
	}
	return true;
}

/* 1 / (1 + exp(-x)) */
static inline float
sigmoid(float x)
{
	float		negative = 88.7f < -x ? 88.7f : -x;

	return 1.0f / (expf(negative) + 1.0f + 1e-16f);
}

/* log(1 + exp(x)) */
static inline float
softplus(float x)
{
	if (x > 0.0)
		return x + log1pf(expf(-x));
	return log1pf(expf(x));
}

/*
 * The probability of each class from its margin; outputs may be margins.
 */
void
mlops_forest_softmax(const float *margins, int count, float *outputs)
{
	float		largest = margins[0];
	double		sum = 0.0;
	float		divisor;

	for (int i = 1; i < count; i++)
		largest = fmaxf(margins[i], largest);
	for (int i = 0; i < count; i++)
	{
		outputs[i] = expf(margins[i] - largest);
		sum += outputs[i];
	}
	divisor = (float) sum;
	for (int i = 0; i < count; i++)
		outputs[i] /= divisor;
}

/*
 * Margins to outputs; outputs may be margins.
 */
void
mlops_forest_transform(const MlopsForest *forest, const float *margins, float *outputs)
{
	int			count = forest->num_groups;

	switch ((MlopsTransform) forest->transform)
	{
		case MLOPS_TRANSFORM_IDENTITY:
			memmove(outputs, margins, count * sizeof(float));
			break;
		case MLOPS_TRANSFORM_SIGMOID:
			for (int i = 0; i < count; i++)
				outputs[i] = sigmoid(margins[i]);
			break;
		case MLOPS_TRANSFORM_STEP:
			for (int i = 0; i < count; i++)
				outputs[i] = margins[i] > 0.0f ? 1.0f : 0.0f;
			break;
		case MLOPS_TRANSFORM_EXP:
			for (int i = 0; i < count; i++)
				outputs[i] = expf(margins[i]);
			break;
		case MLOPS_TRANSFORM_EXP_DOUBLE:
			for (int i = 0; i < count; i++)
				outputs[i] = (float) exp(margins[i]);
			break;
		case MLOPS_TRANSFORM_SOFTMAX:
			mlops_forest_softmax(margins, count, outputs);
			break;
		case MLOPS_TRANSFORM_ARGMAX:
			{
				int			likeliest = 0;

				for (int i = 1; i < count; i++)
				{
					if (margins[i] > margins[likeliest])
						likeliest = i;
				}
				outputs[0] = (float) likeliest;
				break;
			}
		case MLOPS_TRANSFORM_SORT:
			for (int i = 0; i < count; i++)
			{
				float		value = margins[i];
				int			place = i;

				for (; place > 0 && outputs[place - 1] > value; place--)
					outputs[place] = outputs[place - 1];
				outputs[place] = value;
			}
			break;
		case MLOPS_TRANSFORM_CUMULATE:
			{
				float		value = margins[0];

				outputs[0] = value;
				for (int i = 1; i < count; i++)
				{
					value += SMALL_STEP + softplus(margins[i]);
					outputs[i] = value;
				}
				break;
			}
	}
}
