/*-------------------------------------------------------------------------
 *
 * forest_exact_small.c
 *	  Scores beside libxgboost's, bit for bit: a model or two of each kind.
 *	  test/bench/forest_exact.c does the same at length.
 *
 *-------------------------------------------------------------------------
 */
/* link: -lxgboost */
#include "forest_peer.h"

/* compare models of one kind, as one test */
static void
test_models(const PeerModel *models, int count)
{
	PeerCount	total = {0};

	for (int i = 0; i < count; i++)
		peer_run(models[i], &total);
	ok(total.refused == 0 && total.margins == 0 && total.outputs == 0 && total.in_place == 0 &&
	   total.exports == 0,
	   "%s: %ld models, %ld rows, %ld margins, %ld outputs, %ld in place, %ld exports differ", models[0].group,
	   total.models, total.rows, total.margins, total.outputs, total.in_place, total.exports);
}

int
main(void)
{
	PeerModel	models[lengthof(peer_objectives)] = {{0}};

	for (int i = 0; i < (int) lengthof(peer_objectives); i++)
		models[i] = (PeerModel) {.group = "objectives", .objective = peer_objectives[i],
		.depth = 1 + i % 5, .trees = 3 + i,.base_score = i % 2 ? "0.3" : NULL};
	test_models(models, lengthof(peer_objectives));

	test_models((PeerModel[]) {
		{.group = "shapes", .objective = "reg:squarederror", .depth = 12, .trees = 10},
		{.group = "shapes", .objective = "reg:squarederror", .depth = 1, .trees = 200},
		{.group = "shapes", .objective = "binary:logistic", .depth = 0, .trees = 30},
		{.group = "shapes", .objective = "binary:logistic", .depth = 6, .trees = 1},
		{.group = "shapes", .objective = "multi:softprob", .depth = 3, .trees = 11, .classes = 7}
	}, 5);
	test_models((PeerModel[]) {
		{.group = "dart", .objective = "binary:logistic", .booster = "dart", .depth = 4, .trees = 20},
		{.group = "dart", .objective = "multi:softmax", .booster = "dart", .depth = 3, .trees = 10}
	}, 2);
	test_models((PeerModel[]) {
		{.group = "gblinear", .objective = "reg:squarederror", .booster = "gblinear", .trees = 5},
		{.group = "gblinear", .objective = "multi:softprob", .booster = "gblinear", .trees = 5}
	}, 2);
	test_models((PeerModel[]) {
		{.group = "random forest", .objective = "binary:logistic", .depth = 6, .trees = 1, .parallel = 30},
		{.group = "random forest", .objective = "multi:softprob", .depth = 4, .trees = 3, .parallel = 5}
	}, 2);
	test_models((PeerModel[]) {
		{.group = "categories", .objective = "reg:squarederror", .depth = 5, .trees = 20, .categorical = 6, .max_onehot = 1000},
		{.group = "categories", .objective = "reg:squarederror", .depth = 5, .trees = 20, .categorical = 6, .max_onehot = 1},
		{.group = "categories", .objective = "binary:logistic", .depth = 6, .trees = 60, .categorical = 6, .max_onehot = 1},
		{.group = "categories", .objective = "multi:softprob", .depth = 4, .trees = 10, .categorical = 3, .max_onehot = 5},
		{.group = "categories", .objective = "reg:squarederror", .depth = 6, .trees = 10, .categorical = 6, .max_onehot = 1, .gamma = 2}
	}, 5);
	test_models((PeerModel[]) {
		{.group = "deleted nodes", .objective = "reg:squarederror", .method = "exact", .depth = 6, .trees = 10, .gamma = 5},
		{.group = "deleted nodes", .objective = "binary:logistic", .method = "exact", .depth = 8, .trees = 10, .gamma = 0.5}
	}, 2);
	test_models((PeerModel[]) {
		{.group = "targets", .objective = "reg:squarederror", .depth = 4, .trees = 5, .targets = 3},
		{.group = "targets", .objective = "binary:logistic", .depth = 4, .trees = 5, .targets = 2}
	}, 2);
	test_models((PeerModel[]) {
		{.group = "early stopping", .objective = "binary:logistic", .depth = 3, .trees = 12, .early = true}
	}, 1);
	return finish();
}
