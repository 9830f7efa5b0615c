/*-------------------------------------------------------------------------
 *
 * xgboost_category.c
 *	  Reads the dictionary of categories in a model file of XGBoost.
 *
 *-------------------------------------------------------------------------
 */
#include "forest/xgboost.h"

/*
 * The texts of one feature's categories: strings one after the other.  *ascii
 * says whether all of them are.  Whether one that is not UTF-8 is an error
 * depends on the version, see mlops_xgboost_check_categories().
 */
static bool
add_string_categories(MlopsBuild *build, const MlopsVector *ends, const MlopsVector *values,
					  size_t start, bool *ascii)
{
	const int64 *end = ends->data;
	char	   *bytes;

	if (ends->count == 0 && values->count == 0)
		return true;
	if (ends->count == 0 || end[0] != 0 || end[ends->count - 1] != (int64) values->count)
		return mlops_fail(build->support, MLOPS_FOREST_INVALID, start, NULL,
						  "the offsets of category names do not fit the names");
	bytes = mlops_alloc(build->support, Max(values->count, 1));
	if (bytes == NULL)
		return false;
	for (size_t i = 0; i < values->count; i++)
	{
		int64		value = ((int64 *) values->data)[i];

		if (value < -128 || value > 255 || value == 0)
			return mlops_fail(build->support, MLOPS_FOREST_INVALID, start, NULL,
							  "the name of a category has a byte " INT64_FORMAT, value);
		bytes[i] = (char) value;
		*ascii = *ascii && value > 0 && value < 128;
	}
	for (size_t i = 1; i < ends->count; i++)
	{
		uint32		offset;

		if (end[i] < end[i - 1] || end[i] > (int64) values->count)
			return mlops_fail(build->support, MLOPS_FOREST_INVALID, start, NULL,
							  "the offsets of category names do not ascend");
		if (!mlops_utf8_valid((uint8 *) bytes + end[i - 1], end[i] - end[i - 1]) &&
			build->not_utf8_offset == 0)
			build->not_utf8_offset = start;
		if (!mlops_build_string(build, bytes + end[i - 1], end[i] - end[i - 1], &offset) ||
			!mlops_vector_reserve(build->support, &build->categories, sizeof(uint32), 1))
			return false;
		((uint32 *) build->categories.data)[build->categories.count++] = offset;
	}
	mlops_release(build->support, bytes);
	return true;
}

/*
 * The texts of one feature's categories: integers.  UBJSON has no unsigned
 * types of more than 8 bits, so those are stored as signed ones.
 */
static bool
add_integer_categories(MlopsBuild *build, int64 type, const MlopsVector *values, size_t start)
{
	uint64		mask;

	switch (type)
	{
		case 9:					/* int8, int16, int32, int64 */
		case 11:
		case 13:
		case 15:
			mask = 0;
			break;
		case 10:				/* uint8 and so on */
			mask = 0xFF;
			break;
		case 12:
			mask = 0xFFFF;
			break;
		case 14:
			mask = 0xFFFFFFFF;
			break;
		case 16:
			mask = PG_UINT64_MAX;
			break;
		default:
			return mlops_fail(build->support, MLOPS_FOREST_UNSUPPORTED, start, mlops_xgboost_newer_hint,
							  "categories of an unknown type " INT64_FORMAT, type);
	}
	for (size_t i = 0; i < values->count; i++)
	{
		int64		value = ((int64 *) values->data)[i];
		uint64		magnitude = mask != 0 ? (uint64) value & mask :
			value < 0 ? 0 - (uint64) value : (uint64) value;
		char		digits[24];
		char	   *first = digits + sizeof(digits);
		uint32		offset;

		do
		{
			*--first = '0' + magnitude % 10;
			magnitude /= 10;
		} while (magnitude > 0);
		if (mask == 0 && value < 0)
			*--first = '-';
		if (!mlops_build_string(build, first, digits + sizeof(digits) - first, &offset) ||
			!mlops_vector_reserve(build->support, &build->categories, sizeof(uint32), 1))
			return false;
		((uint32 *) build->categories.data)[build->categories.count++] = offset;
	}
	return true;
}

/* cats.enc: the categories of each feature */
static bool
read_encodings(MlopsReader *reader, MlopsBuild *build)
{
	MlopsVector offsets = {0};
	MlopsVector values = {0};
	MlopsText	key;
	bool		more;

	build->categories_offset = reader->pos;
	if (!mlops_reader_enter_array(reader))
		return false;
	for (;;)
	{
		size_t		start = reader->pos;
		bool		has_offsets = false;
		bool		has_values = false;
		bool		ascii = true;
		int64		type = -1;

		if (!mlops_reader_next_item(reader, &more))
			return false;
		if (!more)
			break;
		if (!mlops_reader_enter_object(reader))
			return false;
		for (;;)
		{
			if (!mlops_reader_next_key(reader, &key, &more))
				return false;
			if (!more)
				break;
			if (mlops_text_is(&key, "offsets"))
			{
				if (!mlops_reader_longs(reader, &offsets))
					return false;
				has_offsets = true;
			}
			else if (mlops_text_is(&key, "values"))
			{
				if (!mlops_reader_longs(reader, &values))
					return false;
				has_values = true;
			}
			else if (mlops_text_is(&key, "type"))
			{
				if (!mlops_reader_integer(reader, &type))
					return false;
			}
			else
				return mlops_xgboost_unknown(reader, &key, "cats");
		}
		if (!has_values || has_offsets == (type >= 0))
			return mlops_fail(reader->support, MLOPS_FOREST_INVALID, start, NULL,
							  "the categories of a feature need values, and either offsets or a type");
		if (!(has_offsets ? add_string_categories(build, &offsets, &values, start, &ascii)
			  : add_integer_categories(build, type, &values, start)))
			return false;
		if (!mlops_vector_reserve(build->support, &build->category_ends, sizeof(uint32), 1) ||
			!mlops_vector_reserve(build->support, &build->category_bytes, sizeof(uint8), 1))
			return false;
		((uint8 *) build->category_bytes.data)[build->category_bytes.count++] = !ascii;
		((uint32 *) build->category_ends.data)[build->category_ends.count++] =
			(uint32) build->categories.count;
	}
	mlops_release(build->support, offsets.data);
	mlops_release(build->support, values.data);
	return true;
}

/*
 * Read the dictionary of categories, which files have since 3.1.
 */
bool
mlops_xgboost_categories(MlopsReader *reader, MlopsBuild *build)
{
	MlopsText	key;
	bool		more;

	if (!mlops_reader_enter_object(reader))
		return false;
	for (;;)
	{
		if (!mlops_reader_next_key(reader, &key, &more))
			return false;
		if (!more)
			return true;
		if (mlops_text_is(&key, "enc"))
		{
			if (!read_encodings(reader, build))
				return false;
		}
		else if (mlops_text_is(&key, "feature_segments") || mlops_text_is(&key, "sorted_idx"))
		{
			if (!mlops_reader_skip(reader))
				return false;
		}
		else
			return mlops_xgboost_unknown(reader, &key, "cats");
	}
}

/*
 * Are the texts of categories what they were in training?  The package of
 * XGBoost 3.1 to 3.3 counted the characters of pandas' categories where bytes
 * count: texts that follow one with a letter beyond ASCII begin too early, and the
 * last bytes of all are gone.  What another frame gave looks the same, so files
 * of these versions have no texts for a feature where one is not ASCII; whoever
 * knows them can give them in a signature.
 */
bool
mlops_xgboost_check_categories(MlopsReader *reader, MlopsBuild *build)
{
	const int  *version = build->version;

	if (version[0] == 3 && version[1] >= 1 && version[1] <= 3)
		return true;
	build->category_bytes.count = 0;
	if (build->not_utf8_offset > 0)
		return mlops_fail(reader->support, MLOPS_FOREST_INVALID, build->not_utf8_offset, NULL,
						  "the name of a category is not UTF-8");
	return true;
}
