/*-------------------------------------------------------------------------
 *
 * forest_exact.c
 *	  Scores beside libxgboost's, bit for bit, over a thousand models and ten
 *	  million pairs of a model and a row.
 *
 * Usage: forest_exact [seed [passes]]
 *
 * Trains models of all objectives, boosters and shapes with libxgboost, reads
 * what it saves as JSON and as UBJSON, and scores rows with both: usual rows,
 * rows whose values lie on thresholds or next to them, -0, denormals, the
 * largest float, missing values, categories that training has not seen; and,
 * over libxgboost's in-place path, infinities and values that are no category.
 * Margins are compared row by row and in batches.  What is exported as JSON
 * must be libxgboost's own JSON, byte for byte.  Each pass trains all models
 * anew.  Prints per kind of model how many rows differ, in margins and in
 * outputs, and how many exports.  Exits with 1 unless that is none.
 *
 *-------------------------------------------------------------------------
 */
/* link: -lxgboost */
#include <time.h>

#define PEER_ROWS	10000

#include "../unit/forest_peer.h"

/* kinds of models, in the order in which they first come */
#define MAX_GROUPS	16

static struct
{
	const char *name;
	PeerCount	count;
}			groups[MAX_GROUPS];
static int	num_groups;

static void
run(PeerModel model)
{
	int			i = 0;

	while (i < num_groups && strcmp(groups[i].name, model.group) != 0)
		i++;
	if (i == num_groups)
		groups[num_groups++].name = model.group;
	peer_run(model, &groups[i].count);
}

/* all models once; shift makes that they differ from pass to pass */
static void
run_all(int shift)
{
	/* depth and rounds */
	static const int shapes[][2] = {
		{1, 1}, {1, 40}, {2, 9}, {3, 16}, {4, 17}, {5, 33}, {6, 50}, {7, 8}, {8, 15}, {10, 7}, {0, 12}
	};
	static const char *const base_scores[] = {NULL, "0.5", "0.1", "0.875", "0.3333333"};
	static const char *const methods[] = {"hist", "exact", "approx"};
	int			count = lengthof(peer_objectives);

	for (int i = 0; i < count; i++)
	{
		for (int k = 0; k < (int) lengthof(shapes); k++)
			run((PeerModel) {.group = "objectives", .objective = peer_objectives[i],
				.depth = shapes[k][0], .trees = shapes[k][1],
				.method = shapes[k][0] == 0 ? "hist" : methods[(i + k + shift) % 3],
				.base_score = base_scores[(i + k + shift) % lengthof(base_scores)]});
	}
	for (int i = 0; i < count; i++)
		run((PeerModel) {.group = "dart", .objective = peer_objectives[i], .booster = "dart",
			.depth = 2 + (i + shift) % 5, .trees = 5 + i});
	for (int i = 0; i < count; i++)
		run((PeerModel) {.group = "random forests", .objective = peer_objectives[i],
			.depth = 3 + (i + shift) % 6, .trees = 1 + i % 3, .parallel = 2 + i});
	for (int i = 0; i < count; i++)
	{
		/* these need a hessian for each row that gblinear cannot do without */
		if (strncmp(peer_objectives[i], "rank:", 5) != 0)
			run((PeerModel) {.group = "gblinear", .objective = peer_objectives[i],
				.booster = "gblinear", .trees = 1 + i});
	}
	for (int i = 0; i < 36; i++)
	{
		static const int onehot[] = {1, 1000, 5};

		run((PeerModel) {.group = "categories", .objective = peer_objectives[(i * 7 + shift) % count],
			.method = i % 4 == 3 ? "approx" : "hist", .depth = 1 + i % 9, .trees = 3 + 2 * i,
			.categorical = 1 + i % 6, .max_onehot = onehot[i % 3],
			.gamma = i % 5 == 0 ? 0.5 : 0, .booster = i % 11 == 10 ? "dart" : NULL});
	}
	for (int i = 0; i < 12; i++)
		run((PeerModel) {.group = "deleted nodes",
			.objective = i % 2 ? "reg:squarederror" : "binary:logistic", .method = "exact",
			.depth = 4 + i % 7, .trees = 12, .gamma = i % 2 ? 4 : 0.7});
	for (int i = 0; i < 8; i++)
		run((PeerModel) {.group = "classes", .objective = i % 2 ? "multi:softmax" : "multi:softprob",
			.depth = 2 + i, .trees = 6, .classes = 2 + 3 * i});
	for (int i = 0; i < 8; i++)
		run((PeerModel) {.group = "targets",
			.objective = i % 2 ? "reg:squarederror" : "binary:logistic", .depth = 2 + i,
			.trees = 6, .targets = 2 + i % 3});
	for (int i = 0; i < 6; i++)
		run((PeerModel) {.group = "early stopping", .objective = peer_objectives[i * 3 + shift % 3],
			.depth = 3, .trees = 20, .early = true});
	run((PeerModel) {.group = "large", .objective = "binary:logistic", .depth = 6, .trees = 500});
	run((PeerModel) {.group = "large", .objective = "reg:squarederror", .depth = 12, .trees = 60});
	run((PeerModel) {.group = "large", .objective = "binary:logistic", .depth = 12, .trees = 100});
	run((PeerModel) {.group = "large", .objective = "multi:softprob", .depth = 8, .trees = 60, .classes = 5});
}

static void
print_count(const char *name, const PeerCount *count)
{
	printf("%-16s %6ld %10ld %8ld %8ld %8ld %8ld %8ld\n", name, count->models, count->rows, count->refused,
		   count->margins, count->outputs, count->in_place, count->exports);
}

int
main(int argc, char **argv)
{
	int			passes = argc > 2 ? atoi(argv[2]) : 3;
	clock_t		start = clock();
	PeerCount	all = {0};
	bool		exact;

	if (argc > 1)
		random_state = strtoull(argv[1], NULL, 10);
	for (int pass = 0; pass < passes; pass++)
		run_all(pass);

	printf("%-16s %6s %10s %8s %8s %8s %8s %8s\n", "", "models", "rows", "refused",
		   "margins", "outputs", "in place", "exports");
	for (int i = 0; i < num_groups; i++)
	{
		const PeerCount *count = &groups[i].count;

		print_count(groups[i].name, count);
		all.models += count->models;
		all.rows += count->rows;
		all.untrained += count->untrained;
		all.refused += count->refused;
		all.margins += count->margins;
		all.outputs += count->outputs;
		all.in_place += count->in_place;
		all.exports += count->exports;
	}
	print_count("all", &all);
	if (all.untrained > 0)
		printf("\n%ld models that this version of libxgboost cannot train\n", all.untrained);
	exact = all.refused + all.margins + all.outputs + all.in_place + all.exports == 0;
	printf("\n%s, %.0f s\n", exact ? "no row differs" : "rows differ",
		   (double) (clock() - start) / CLOCKS_PER_SEC);
	printf("models compared          %10ld\t(at least 1000)\n", all.models);
	printf("pairs of model and row   %10ld\t(at least 10000000)\n", all.rows);
	printf("rows whose margins differ %9ld\t(at most 0)\n", all.margins + all.in_place);
	return exact && all.models > 0 ? 0 : 1;
}
