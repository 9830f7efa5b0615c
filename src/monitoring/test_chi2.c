/*-------------------------------------------------------------------------
 *
 * test_chi2.c
 *	  Pearson's chi-squared test on the counts of two samples per category,
 *	  or of one sample against shares that are taken as the truth.
 *
 * The test is an approximation that needs enough rows in a cell, so rare
 * categories can be merged first: the smallest one joins the next smallest
 * until at most a fifth of the cells expect fewer than 5 rows, of two
 * categories until each cell expects 10.  What is joined is never smaller
 * than what was joined before, so two queues do instead of a heap.
 *
 *-------------------------------------------------------------------------
 */
#include "c.h"

#include <math.h>

#include "monitoring/test.h"

#define SMALL_CELL			5.0
#define SMALL_CELL_OF_TWO	10.0

/* rows per category */
typedef struct Cell
{
	int64		reference;
	int64		current;
} Cell;

static void
swap_cells(int64 *reference, int64 *current, int i, int j)
{
	int64		kept = reference[i];

	reference[i] = reference[j];
	reference[j] = kept;
	kept = current[i];
	current[i] = current[j];
	current[j] = kept;
}

/*
 * What categories are ordered by, the smallest first: the expected count,
 * then the counts themselves so that equal ones come in one order.
 */
static inline bool
is_smaller(const int64 *reference, const int64 *current, bool gof, int i, int j)
{
	int64		a = gof ? reference[i] : reference[i] + current[i];
	int64		b = gof ? reference[j] : reference[j] + current[j];

	return a != b ? a < b : current[i] < current[j];
}

/*
 * Sort categories, the smallest first, in place: a heap sort.
 */
static void
sort_cells(int64 *reference, int64 *current, bool gof, int n)
{
	for (int start = n / 2 - 1, end = n; end > 1;)
	{
		int			root;

		if (start >= 0)
			root = start--;
		else
		{
			swap_cells(reference, current, 0, --end);
			root = 0;
		}
		for (;;)
		{
			int			child = 2 * root + 1;

			if (child >= end)
				break;
			if (child + 1 < end && is_smaller(reference, current, gof, child, child + 1))
				child++;
			if (!is_smaller(reference, current, gof, root, child))
				break;
			swap_cells(reference, current, root, child);
			root = child;
		}
	}
}

/*
 * How many of a category's cells expect fewer rows than limit.
 */
static inline int
small_cells(const Cell *cell, bool gof, double n, double m, double limit)
{
	double		whole = (double) cell->reference + (double) cell->current;

	if (gof)
		return (double) cell->reference / n * m < limit;
	return (whole * n / (n + m) < limit) + (whole * m / (n + m) < limit);
}

/*
 * Join rare categories.  Returns how many are left; they stand at the start
 * of the arrays.
 */
static int
merge_cells(int64 *reference, int64 *current, bool gof, int num_bins, double n, double m)
{
	int			sorted = 0;		/* categories not joined: from here on */
	int			joined = 0;		/* joined ones: from here, before joined_end */
	int			joined_end = 0;
	int			left = num_bins;
	int			small = 0;
	int			result = 0;

	sort_cells(reference, current, gof, num_bins);
	for (int i = 0; i < num_bins; i++)
	{
		Cell		cell = {reference[i], current[i]};

		small += small_cells(&cell, gof, n, m, SMALL_CELL);
	}

	while (left > 1)
	{
		Cell		sum = {0, 0};

		if (left == 2)
		{
			Cell		cells[2];
			int			taken = 0;

			for (int i = joined; i < joined_end; i++)
				cells[taken++] = (Cell) {reference[i], current[i]};
			for (int i = sorted; i < num_bins; i++)
				cells[taken++] = (Cell) {reference[i], current[i]};
			if (small_cells(&cells[0], gof, n, m, SMALL_CELL_OF_TWO) +
				small_cells(&cells[1], gof, n, m, SMALL_CELL_OF_TWO) == 0)
				break;
		}
		else if (small <= 0.2 * (gof ? left : 2 * left))
			break;

		/* the two smallest stand at the heads of the queues */
		for (int taken = 0; taken < 2; taken++)
		{
			int			from;
			Cell		cell;

			if (sorted == num_bins ||
				(joined < joined_end && !is_smaller(reference, current, gof, sorted, joined)))
				from = joined++;
			else
				from = sorted++;
			cell.reference = reference[from];
			cell.current = current[from];
			small -= small_cells(&cell, gof, n, m, SMALL_CELL);
			sum.reference += cell.reference;
			sum.current += cell.current;
		}

		/* each join takes two places and needs one, so there is room */
		reference[joined_end] = sum.reference;
		current[joined_end] = sum.current;
		joined_end++;
		small += small_cells(&sum, gof, n, m, SMALL_CELL);
		left--;
	}

	for (int i = joined; i < joined_end; i++, result++)
		swap_cells(reference, current, result, i);
	for (int i = sorted; i < num_bins; i++, result++)
		swap_cells(reference, current, result, i);
	return left;
}

/*
 * Leave categories without rows out, and count rows.
 */
static int
occupied_cells(int64 *reference, int64 *current, int num_bins, double *n, double *m)
{
	int			left = 0;

	*n = *m = 0;
	for (int i = 0; i < num_bins; i++)
	{
		*n += (double) reference[i];
		*m += (double) current[i];
		if (reference[i] + current[i] > 0)
			swap_cells(reference, current, left++, i);
	}
	return left;
}

/*
 * The test of a table of 2 rows and num_bins columns, without Yates's
 * correction.  NaN if a sample is empty or one category is left.
 */
MlopsTest
mlops_test_chi2(int64 *reference, int64 *current, int num_bins, bool merge)
{
	MlopsTest	test = {NAN, NAN, 0, false, NAN};
	MlopsSum	sum = {0};
	double		n;
	double		m;
	int			left = occupied_cells(reference, current, num_bins, &n, &m);

	if (n == 0 || m == 0)
		return test;
	if (merge)
		left = merge_cells(reference, current, false, left, n, m);
	if (left < 2)
		return test;

	for (int i = 0; i < left; i++)
	{
		double		whole = (double) reference[i] + (double) current[i];
		double		expected = whole * n / (n + m);
		double		gap = (double) reference[i] - expected;

		mlops_sum_add(&sum, gap * gap / expected);
		expected = whole * m / (n + m);
		gap = (double) current[i] - expected;
		mlops_sum_add(&sum, gap * gap / expected);
	}
	test.statistic = mlops_sum_value(&sum);
	test.df = left - 1;
	test.p_value = test.p_tied = mlops_chi2_sf(test.statistic, test.df);
	return test;
}

/*
 * The goodness of fit of the current sample to the shares of the reference,
 * taken as the truth.  A category that the reference lacks is impossible and
 * makes the statistic infinite; where rare categories are merged it is left
 * out, as the definition that merges them has it.
 */
MlopsTest
mlops_test_chi2_gof(int64 *reference, int64 *current, int num_bins, bool merge)
{
	MlopsTest	test = {NAN, NAN, 0, false, NAN};
	MlopsSum	sum = {0};
	double		n;
	double		m;
	int			left = occupied_cells(reference, current, num_bins, &n, &m);

	if (merge)
	{
		for (int i = left - 1; i >= 0; i--)
		{
			if (reference[i] == 0)
			{
				m -= (double) current[i];
				swap_cells(reference, current, i, --left);
			}
		}
	}
	if (n == 0 || m == 0)
		return test;
	if (merge)
		left = merge_cells(reference, current, true, left, n, m);
	if (left < 2)
		return test;

	for (int i = 0; i < left; i++)
	{
		double		expected = (double) reference[i] / n * m;
		double		gap = (double) current[i] - expected;

		mlops_sum_add(&sum, gap == 0 ? 0 : gap * gap / expected);
	}
	test.statistic = mlops_sum_value(&sum);
	test.df = left - 1;
	test.p_value = test.p_tied = mlops_chi2_sf(test.statistic, test.df);
	return test;
}
