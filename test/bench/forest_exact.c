/*-------------------------------------------------------------------------
 *
 * forest_exact.c
 *	  Scores beside libxgboost's, bit for bit, over hundreds of models.
 *
 * Usage: forest_exact [seed]
 *
 * Trains models of all objectives, boosters and shapes with libxgboost, reads
 * what it saves as JSON and as UBJSON, and scores rows with both: usual rows,
 * rows whose values lie on thresholds or next to them, -0, denormals, the
 * largest float, missing values, categories that training has not seen; and,
 * over libxgboost's in-place path, infinities and values that are no category.
 * Prints per kind of model how many rows differ, in margins and in outputs.
 * Exits with 1 unless that is none.
 *
 *-------------------------------------------------------------------------
 */
/* link: -lxgboost */
#include <time.h>

#include "../unit/forest_peer.h"

static PeerCount all;
static PeerCount group;
static const char *group_name;

/* print what was counted of one kind of model */
static void
end_group(void)
{
	if (group_name != NULL)
		printf("%-16s %6ld %8ld %8ld %8ld %8ld %8ld\n", group_name, group.models, group.rows,
			   group.refused, group.margins, group.outputs, group.in_place);
	fflush(stdout);
	all.models += group.models;
	all.rows += group.rows;
	all.untrained += group.untrained;
	all.refused += group.refused;
	all.margins += group.margins;
	all.outputs += group.outputs;
	all.in_place += group.in_place;
	memset(&group, 0, sizeof(group));
}

static void
run(PeerModel model)
{
	if (group_name == NULL || strcmp(group_name, model.group) != 0)
	{
		end_group();
		group_name = model.group;
	}
	peer_run(model, &group);
}

int
main(int argc, char **argv)
{
	/* depth and rounds */
	static const int shapes[][2] = {
		{1, 1}, {1, 40}, {2, 9}, {3, 16}, {4, 17}, {5, 33}, {6, 50}, {7, 8}, {8, 15}, {10, 7}, {0, 12}
	};
	static const char *const base_scores[] = {NULL, "0.5", "0.1", "0.875", "0.3333333"};
	static const char *const methods[] = {"hist", "exact", "approx"};
	clock_t		start = clock();
	int			count = lengthof(peer_objectives);
	bool		exact;

	if (argc > 1)
		random_state = strtoull(argv[1], NULL, 10);
	printf("%-16s %6s %8s %8s %8s %8s %8s\n", "", "models", "rows", "refused",
		   "margins", "outputs", "in place");

	for (int i = 0; i < count; i++)
	{
		for (int k = 0; k < (int) lengthof(shapes); k++)
			run((PeerModel) {.group = "objectives", .objective = peer_objectives[i],
				.depth = shapes[k][0], .trees = shapes[k][1],
				.method = shapes[k][0] == 0 ? "hist" : methods[(i + k) % 3],
				.base_score = base_scores[(i + k) % lengthof(base_scores)]});
	}
	for (int i = 0; i < count; i++)
		run((PeerModel) {.group = "dart", .objective = peer_objectives[i], .booster = "dart",
			.depth = 2 + i % 5, .trees = 5 + i});
	for (int i = 0; i < count; i++)
		run((PeerModel) {.group = "random forests", .objective = peer_objectives[i],
			.depth = 3 + i % 6, .trees = 1 + i % 3, .parallel = 2 + i});
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

		run((PeerModel) {.group = "categories", .objective = peer_objectives[i * 7 % count],
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
		run((PeerModel) {.group = "early stopping", .objective = peer_objectives[i * 3],
			.depth = 3, .trees = 20, .early = true});
	run((PeerModel) {.group = "large", .objective = "binary:logistic", .depth = 6, .trees = 500});
	run((PeerModel) {.group = "large", .objective = "reg:squarederror", .depth = 12, .trees = 60});
	run((PeerModel) {.group = "large", .objective = "binary:logistic", .depth = 12, .trees = 100});
	run((PeerModel) {.group = "large", .objective = "multi:softprob", .depth = 8, .trees = 60, .classes = 5});
	end_group();

	exact = all.refused + all.margins + all.outputs + all.in_place == 0;
	printf("%-16s %6ld %8ld %8ld %8ld %8ld %8ld\n", "all", all.models, all.rows,
		   all.refused, all.margins, all.outputs, all.in_place);
	if (all.untrained > 0)
		printf("\n%ld models that this version of libxgboost cannot train\n", all.untrained);
	printf("\n%s, %.0f s\n", exact ? "no row differs" : "rows differ",
		   (double) (clock() - start) / CLOCKS_PER_SEC);
	return exact && all.models >= 300 ? 0 : 1;
}
