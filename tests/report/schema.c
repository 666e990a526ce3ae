#include "report/schema.h"

#include <stdio.h>
#include <string.h>

struct check {
    char *why;
    size_t size;
};

static bool wrong(struct check *c, const char *path, const char *what)
{
    snprintf(c->why, c->size, "%s: %s", path, what);
    return false;
}

static bool is_type(const json_t *value, const char *type)
{
    return (strcmp(type, "object") == 0 && json_is_object(value)) ||
           (strcmp(type, "array") == 0 && json_is_array(value)) ||
           (strcmp(type, "string") == 0 && json_is_string(value)) ||
           (strcmp(type, "integer") == 0 && json_is_integer(value)) ||
           (strcmp(type, "number") == 0 && json_is_number(value)) ||
           (strcmp(type, "boolean") == 0 && json_is_boolean(value)) ||
           (strcmp(type, "null") == 0 && json_is_null(value));
}

static bool type_fits(const json_t *type, const json_t *value)
{
    size_t i;
    const json_t *one;
    if (json_is_string(type)) {
        return is_type(value, json_string_value(type));
    }
    json_array_foreach(type, i, one)
    {
        if (is_type(value, json_string_value(one))) {
            return true;
        }
    }
    return false;
}

static bool in_enum(const json_t *list, const json_t *value)
{
    size_t i;
    const json_t *one;
    json_array_foreach(list, i, one)
    {
        if (json_equal(one, value)) {
            return true;
        }
    }
    return false;
}

static bool known_keywords(json_t *schema, struct check *c, const char *path)
{
    static const char *const known = "|$schema|title|description|type|required|properties|items|"
                                     "additionalProperties|enum|minimum|maximum|";
    const char *key;
    json_t *unused;
    char wrapped[80];
    json_object_foreach(schema, key, unused)
    {
        snprintf(wrapped, sizeof(wrapped), "|%s|", key);
        if (!strstr(known, wrapped)) {
            return wrong(c, path, "the schema has a keyword this validator does not know");
        }
    }
    return true;
}

static bool check_members(json_t *schema, json_t *value, const char *path, struct check *c)
{
    const json_t *properties = json_object_get(schema, "properties");
    json_t *additional = json_object_get(schema, "additionalProperties");
    const char *key;
    json_t *member;
    size_t i;
    const json_t *name;
    char inner[256];
    json_array_foreach(json_object_get(schema, "required"), i, name)
    {
        if (!json_object_get(value, json_string_value(name))) {
            return wrong(c, path, json_string_value(name));
        }
    }
    json_object_foreach(value, key, member)
    {
        json_t *rule = json_object_get(properties, key);
        snprintf(inner, sizeof(inner), "%.180s/%.60s", path, key);
        if (!rule && !additional && strcmp(path, "") != 0 && properties) {
            return wrong(c, inner, "is not in the schema");
        }
        rule = rule ? rule : additional;
        if (rule && !schema_check(rule, member, inner, c->why, c->size)) {
            return false;
        }
    }
    return true;
}

bool schema_check(json_t *schema, json_t *value, const char *path, char *why, size_t why_size)
{
    struct check c = {why, why_size};
    const json_t *type = json_object_get(schema, "type");
    const json_t *values = json_object_get(schema, "enum");
    const json_t *minimum = json_object_get(schema, "minimum");
    const json_t *maximum = json_object_get(schema, "maximum");
    json_t *items = json_object_get(schema, "items");
    size_t i;
    json_t *item;
    if (!known_keywords(schema, &c, path)) {
        return false;
    }
    if (type && !type_fits(type, value)) {
        return wrong(&c, path, "has the wrong type");
    }
    if (values && !in_enum(values, value)) {
        return wrong(&c, path, "is not one of the allowed values");
    }
    if (minimum && json_is_number(value) && json_number_value(value) < json_number_value(minimum)) {
        return wrong(&c, path, "is below its minimum");
    }
    if (maximum && json_is_number(value) && json_number_value(value) > json_number_value(maximum)) {
        return wrong(&c, path, "is above its maximum");
    }
    if (items) {
        json_array_foreach(value, i, item)
        {
            if (!schema_check(items, item, path, why, why_size)) {
                return false;
            }
        }
    }
    return !json_is_object(value) || check_members(schema, value, path, &c);
}
