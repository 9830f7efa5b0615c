/*-------------------------------------------------------------------------
 *
 * lightgbm_category.c
 *	  Reads the categories that pandas had, at the end of LightGBM's files.
 *
 * LightGBM itself knows codes only.  Its Python package appends the texts, as
 * JSON, for each column of pandas' categorical type.
 *
 *-------------------------------------------------------------------------
 */
#include "forest/lightgbm.h"
#include "forest/reader.h"

/*
 * Keep the texts of one list of categories: strings, numbers as they are
 * written, and booleans.
 */
static bool
read_list(MlopsLightgbm *document, MlopsReader *reader)
{
	MlopsBuild *build = &document->wide->build;
	bool		more;

	if (!mlops_reader_enter_array(reader))
		return false;
	for (;;)
	{
		MlopsValueKind kind;
		uint32		offset;

		if (!mlops_reader_next_item(reader, &more))
			return false;
		if (!more)
			return true;
		if (!mlops_reader_kind(reader, &kind))
			return false;
		if (kind == MLOPS_VALUE_STRING)
		{
			MlopsText	text;
			char	   *pool;

			if (!mlops_reader_string(reader, &text) ||
				!mlops_vector_reserve(build->support, &build->strings, 1, text.len + 1))
				return false;
			pool = (char *) build->strings.data + build->strings.count;
			offset = (uint32) build->strings.count;
			text.len = mlops_text_copy(&text, pool);
			pool[text.len] = '\0';
			build->strings.count += text.len + 1;
		}
		else if (kind == MLOPS_VALUE_NUMBER || kind == MLOPS_VALUE_BOOLEAN)
		{
			size_t		start = reader->pos;

			if (!mlops_reader_skip(reader) ||
				!mlops_build_string(build, (const char *) reader->bytes + start,
									reader->pos - start, &offset))
				return false;
		}
		else
			return mlops_reader_invalid(reader, "a category is neither a text nor a number");
		if (!mlops_vector_reserve(build->support, &build->categories, sizeof(uint32), 1))
			return false;
		((uint32 *) build->categories.data)[build->categories.count++] = offset;
	}
}

/*
 * Mark the categorical features: those that the parameters name, which pandas'
 * columns that have one category in all rows are among, or else those whose
 * information says so.  False if the parameters name them otherwise.
 */
static bool
mark_categorical(MlopsLightgbm *document, bool *marked)
{
	MlopsBuild *build = &document->wide->build;
	const char *p = document->categorical.begin;
	const uint8 *kinds = build->kinds.data;

	memset(marked, 0, build->num_features);
	if (p == document->categorical.end)
	{
		for (int64 i = 0; i < build->num_features; i++)
			marked[i] = kinds[i] == MLOPS_FEATURE_CATEGORICAL;
		return true;
	}
	while (p < document->categorical.end)
	{
		const char *comma = memchr(p, ',', document->categorical.end - p);
		MlopsSpan	word = {p, comma != NULL ? comma : document->categorical.end};
		int64		feature;

		if (!mlops_span_integer(word, 0, build->num_features - 1, &feature))
			return false;
		marked[feature] = true;
		p = comma != NULL ? comma + 1 : document->categorical.end;
	}
	for (int64 i = 0; i < build->num_features; i++)
	{
		if (kinds[i] == MLOPS_FEATURE_CATEGORICAL && !marked[i])
			return false;
	}
	return true;
}

/*
 * Give the lists of categories that pandas had to the categorical features, in
 * their order.  The file does not say which list is whose: an ordered column
 * has a list and is a number to LightGBM, and a column of integers may be
 * categorical and has none.  Where the numbers differ, or a list is too short
 * for the codes of its feature, no feature gets one, and whoever imports the
 * model has to say what the categories are.
 */
bool
mlops_lightgbm_categories(MlopsLightgbm *document)
{
	MlopsBuild *build = &document->wide->build;
	MlopsSupport *support = document->support;
	const int32 *max_codes = document->max_codes.data;
	MlopsReader reader;
	MlopsValueKind kind;
	bool	   *marked;
	size_t		num_marked = 0;
	size_t		next = 0;
	uint32	   *ends;
	bool		fits;

	if (document->pandas.begin == NULL)
		return true;
	mlops_reader_init(&reader, support, document->bytes,
					  mlops_lightgbm_offset(document, document->pandas.end), false);
	reader.pos = mlops_lightgbm_offset(document, document->pandas.begin);
	build->categories_offset = reader.pos;
	if (!mlops_reader_kind(&reader, &kind))
		return false;
	if (kind == MLOPS_VALUE_NULL)
		return mlops_reader_skip(&reader) && mlops_reader_finish(&reader);
	if (!mlops_reader_enter_array(&reader))
		return false;
	for (;;)
	{
		bool		more;

		if (!mlops_reader_next_item(&reader, &more))
			return false;
		if (!more)
			break;
		if (!read_list(document, &reader) ||
			!mlops_vector_reserve(support, &document->lists, sizeof(uint32), 1))
			return false;
		((uint32 *) document->lists.data)[document->lists.count++] =
			(uint32) build->categories.count;
	}
	if (!mlops_reader_finish(&reader))
		return false;

	marked = mlops_alloc(support, build->num_features);
	if (marked == NULL ||
		!mlops_vector_reserve(support, &build->category_ends, sizeof(uint32), build->num_features))
		return false;
	ends = build->category_ends.data;
	fits = mark_categorical(document, marked);
	for (int64 i = 0; i < build->num_features; i++)
		num_marked += marked[i];
	fits = fits && num_marked == document->lists.count;
	for (int64 i = 0; fits && i < build->num_features; i++)
	{
		uint32		begin = i == 0 ? 0 : ends[i - 1];

		ends[i] = marked[i] ? ((uint32 *) document->lists.data)[next++] : begin;
		if (marked[i] && max_codes[i] >= (int64) (ends[i] - begin))
			fits = false;
		if (marked[i])
			((uint8 *) build->kinds.data)[i] = MLOPS_FEATURE_CATEGORICAL;
	}
	if (fits)
		build->category_ends.count = build->num_features;
	else
		build->categories.count = 0;
	return true;
}
